//! The fields of CIMEF's form, checked as Django REST Framework checks them.

use common_types::{ClinicRole, Language, PhoneNumber};
use serde_json::{Map, Value};
use service_http::{ApiError, FieldErrors, Text};

use super::french;
use crate::password::strength;
use crate::state::AppState;
use crate::validate;

/// The role of CIMEF's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Superuser,
    Clinic(ClinicRole),
}

/// What was given, checked; `None` for what was not.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) department: Option<String>,
    pub(super) license_number: Option<String>,
    /// Inner `None`: taken away.
    pub(super) phone: Option<Option<PhoneNumber>>,
    pub(super) role: Option<Role>,
    pub(super) is_active: Option<bool>,
    pub(super) password: Option<String>,
    /// The organisation's number; superusers only.
    pub(super) organization: Option<i64>,
}

/// Reads the form.
///
/// # Errors
/// 400 with every message.
pub(super) fn read(body: &Map<String, Value>, creating: bool) -> Result<Given, ApiError> {
    let mut form = Form {
        body,
        errors: FieldErrors::new(),
    };
    let username = form.text("username", 150, false);
    match &username {
        None if creating && !form.errors.contains_key("username") => {
            form.wrong("username", french::REQUIRED);
        }
        Some(name) if name.is_empty() => form.wrong("username", french::BLANK),
        Some(name) if !right_username(name) => form.wrong("username", french::bad_username()),
        _ => {}
    }
    let email = form.text("email", 254, true);
    if let Some(email) = &email
        && !validate::is_email(email)
    {
        form.wrong("email", french::EMAIL);
    }
    let given = Given {
        username,
        email,
        first_name: form.text("first_name", 150, false),
        last_name: form.text("last_name", 150, false),
        department: form.text("department", 100, true),
        license_number: form.text("license_number", 50, true),
        phone: form.phone(),
        role: form.role(),
        is_active: form.boolean("is_active"),
        password: form.password(),
        organization: body.get("organization").and_then(Value::as_i64),
    };
    if form.errors.is_empty() {
        Ok(given)
    } else {
        Err(ApiError::invalid().fields(form.errors))
    }
}

/// argon2id of the given password, when there is one; a trivial one is refused before it costs a hash.
///
/// # Errors
/// 400; when the work could not be done.
pub(super) async fn hashed(
    state: &AppState,
    given: &Given,
    names: &[&str],
) -> Result<Option<String>, ApiError> {
    let Some(password) = &given.password else {
        return Ok(None);
    };
    if let Some(problem) = strength::problem(state, password, names).await? {
        let problem = validate::literal(&problem, Language::Fr);
        return Err(ApiError::invalid().field("password", problem));
    }
    let hash = state.hasher.hash(password).await;
    Ok(Some(hash.map_err(anyhow::Error::from)?))
}

/// Django's username: letters and digits of any script and `@ . + - _`.
fn right_username(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '@' | '.' | '+' | '-' | '_'))
}

struct Form<'a> {
    body: &'a Map<String, Value>,
    errors: FieldErrors,
}

impl Form<'_> {
    fn wrong(&mut self, field: &str, message: impl Into<Text>) {
        self.errors
            .entry(field.to_owned())
            .or_default()
            .push(message.into());
    }

    /// Trimmed; a null counts as empty where the form may be emptied.
    fn text(&mut self, field: &str, max: usize, nullable: bool) -> Option<String> {
        let text = match self.body.get(field)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Null if nullable => String::new(),
            Value::Null => {
                self.wrong(field, french::NULL);
                return None;
            }
            _ => {
                self.wrong(field, french::TEXT);
                return None;
            }
        };
        if text.chars().any(char::is_control) {
            self.wrong(field, french::TEXT);
        }
        if text.chars().count() > max {
            self.wrong(field, french::too_long(max));
        }
        Some(text)
    }

    fn phone(&mut self) -> Option<Option<PhoneNumber>> {
        let text = self.text("phone_number", 30, true)?;
        if text.is_empty() {
            return Some(None);
        }
        match PhoneNumber::parse(&text) {
            Ok(phone) => Some(Some(phone)),
            Err(_) => {
                self.wrong("phone_number", french::PHONE);
                None
            }
        }
    }

    fn role(&mut self) -> Option<Role> {
        let word = self.text("role", 30, false)?;
        if word == "superuser" {
            return Some(Role::Superuser);
        }
        match word.parse() {
            Ok(role) => Some(Role::Clinic(role)),
            Err(_) => {
                self.wrong("role", french::not_a_choice(&word));
                None
            }
        }
    }

    fn boolean(&mut self, field: &str) -> Option<bool> {
        match self.body.get(field)? {
            Value::Bool(value) => Some(*value),
            Value::String(word) if word.eq_ignore_ascii_case("true") || word == "1" => Some(true),
            Value::String(word) if word.eq_ignore_ascii_case("false") || word == "0" => Some(false),
            Value::Number(number) if number.as_i64() == Some(1) => Some(true),
            Value::Number(number) if number.as_i64() == Some(0) => Some(false),
            _ => {
                self.wrong(field, french::BOOLEAN);
                None
            }
        }
    }

    /// Absent and empty mean no password.
    fn password(&mut self) -> Option<String> {
        let password = match self.body.get("password")? {
            Value::Null => return None,
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            _ => {
                self.wrong("password", french::TEXT);
                return None;
            }
        };
        Some(password)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: Value, creating: bool) -> Result<Given, ApiError> {
        read(body.as_object().unwrap(), creating)
    }

    #[test]
    fn usernames_are_djangos() {
        for (name, right) in [
            ("awa.diop@cimef+1-2_3", true),
            ("عمر", true),
            ("a b", false),
            ("a#b", false),
        ] {
            assert_eq!(
                check(json!({"username": name}), true).is_ok(),
                right,
                "{name}"
            );
        }
        assert!(check(json!({}), true).is_err());
        assert!(check(json!({}), false).is_ok());
    }

    #[test]
    fn nulls_and_kinds() {
        let given = check(
            json!({"department": null, "phone_number": null, "is_active": "false"}),
            false,
        )
        .unwrap();
        assert_eq!(given.department.as_deref(), Some(""));
        assert_eq!((given.phone, given.is_active), (Some(None), Some(false)));
        for body in [
            json!({"first_name": null}),
            json!({"role": "nurse"}),
            json!({"is_active": "perhaps"}),
            json!({"email": "x"}),
            json!({"phone_number": "12"}),
            json!({"username": ["x"]}),
        ] {
            assert!(check(body.clone(), false).is_err(), "{body}");
        }
    }
}

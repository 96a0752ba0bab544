//! Patients on the wire (wire.md 5, cimef.md 2.3).

use chrono::{DateTime, Utc};
use common_types::{Language, PhoneNumber};
use serde::Serialize;
use serde_json::Value;
use service_http::ApiError;
use utoipa::ToSchema;

use super::store::PatientRow;
use crate::web::{Form, words};

/// A patient.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PatientResponse {
    id: i64,
    uuid: uuid::Uuid,
    patient_id: String,
    first_name: String,
    last_name: String,
    full_name: String,
    age: Option<i32>,
    gender: String,
    phone_number: Option<String>,
    address: String,
    email: Option<String>,
    language: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<&PatientRow> for PatientResponse {
    fn from(row: &PatientRow) -> Self {
        Self {
            id: row.number,
            uuid: row.id,
            patient_id: row.patient_code.clone(),
            first_name: row.first_name.clone(),
            last_name: row.last_name.clone(),
            full_name: row.full_name(),
            age: row.age,
            gender: row.gender.clone(),
            phone_number: row.phone_number.clone(),
            address: row.address.clone(),
            email: row.email.clone(),
            language: row.language.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// What a client may say about a patient.
#[derive(Debug, Clone)]
pub(crate) struct PatientFields {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) gender: String,
    /// `None`: not said; `Some(None)`: emptied.
    pub(crate) age: Option<Option<i32>>,
    pub(crate) phone_number: Option<String>,
    pub(crate) phone_e164: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) address: String,
    pub(crate) language: Option<Language>,
}

impl PatientFields {
    /// Reads POST and PUT bodies; with `current` (PATCH) absent fields keep their value.
    ///
    /// # Errors
    /// 400 with French field messages.
    pub(crate) fn read(body: Value, current: Option<&PatientRow>) -> Result<Self, ApiError> {
        let mut form = Form::new(body)?;
        let keep = |form: &Form, name: &str| current.filter(|_| !form.has(name));
        let first_name = match keep(&form, "first_name") {
            Some(row) => row.first_name.clone(),
            None => form.text("first_name", 100),
        };
        let last_name = match keep(&form, "last_name") {
            Some(row) => row.last_name.clone(),
            None => form.text("last_name", 100),
        };
        let gender = match keep(&form, "gender") {
            Some(row) => row.gender.clone(),
            None => form.choice("gender", &["M", "F"], None).to_owned(),
        };
        let age = form.has("age").then(|| {
            form.optional_integer("age", 0, 150)
                .and_then(|age| i32::try_from(age).ok())
        });
        let (phone_number, phone_e164) = match keep(&form, "phone_number") {
            Some(row) => (row.phone_number.clone(), row.phone_e164.clone()),
            None => read_phone(&mut form),
        };
        let email = match keep(&form, "email") {
            Some(row) => row.email.clone(),
            None => read_email(&mut form),
        };
        let address = match keep(&form, "address") {
            Some(row) => row.address.clone(),
            None => form.optional_text("address", 1000).unwrap_or_default(),
        };
        let language = form
            .optional_text("language", 2)
            .and_then(|code| match code.parse() {
                Ok(language) => Some(language),
                Err(_) => {
                    form.refuse("language", words::not_a_choice(&code));
                    None
                }
            });
        form.finish()?;
        Ok(Self {
            first_name,
            last_name,
            gender,
            age,
            phone_number,
            phone_e164,
            email,
            address,
            language,
        })
    }
}

/// The number as typed without separators, and its E.164 form when it is one (cimef.md flag 10).
fn read_phone(form: &mut Form) -> (Option<String>, Option<String>) {
    let Some(text) = form.optional_text("phone_number", 40) else {
        return (None, None);
    };
    let compact: String = common_types::digits::to_ascii(&text)
        .chars()
        .filter(|c| {
            !c.is_whitespace() && !matches!(c, '.' | '-' | '(' | ')' | '\u{200e}' | '\u{200f}')
        })
        .collect();
    let digits = compact.strip_prefix('+').unwrap_or(&compact);
    if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        form.refuse("phone_number", words::PHONE);
        return (None, None);
    }
    let e164 = PhoneNumber::parse(&compact)
        .ok()
        .map(|phone| phone.e164().to_owned());
    (Some(compact), e164)
}

fn read_email(form: &mut Form) -> Option<String> {
    let email = form.optional_text("email", 254)?;
    let plausible = email.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !domain.contains('@')
            && email.chars().all(|c| {
                !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"')
            })
    });
    if !plausible {
        form.refuse("email", words::EMAIL);
        return None;
    }
    Some(email)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(phone: &str) -> (Option<String>, Option<String>) {
        let mut form = Form::new(json!({"phone_number": phone})).unwrap();
        read_phone(&mut form)
    }

    #[test]
    fn phones_lose_their_separators_and_get_an_e164_form() {
        assert_eq!(
            read("+221 77 123 45 67"),
            (Some("+221771234567".into()), Some("+221771234567".into()))
        );
        assert_eq!(
            read("۰۹۱۲-۰۰۰۰۰۱۰"),
            (Some("09120000010".into()), Some("+989120000010".into()))
        );
        assert_eq!(read("12"), (None, None));
        assert_eq!(read("+22177123456a"), (None, None));
    }

    #[test]
    fn an_email_needs_a_domain() {
        for (text, fine) in [
            ("a@b.sn", true),
            ("a@b", false),
            ("@b.sn", false),
            ("a b@c.sn", false),
            ("a@@b.sn", false),
        ] {
            let mut form = Form::new(json!({"email": text})).unwrap();
            assert_eq!(read_email(&mut form).is_some(), fine, "{text}");
        }
    }
}

//! Reads a JSON object field by field and collects French messages, so that one answer names every mistake.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use common_types::Currency;
use serde_json::{Map, Value};
use service_http::ApiError;

use super::{
    french,
    money::{DecimalError, parse_decimal},
};

/// A request body being read.
#[derive(Debug)]
pub(crate) struct Form {
    members: Map<String, Value>,
    errors: Vec<(String, String)>,
}

impl Form {
    /// # Errors
    /// 400 when the body is no object.
    pub(crate) fn new(body: Value) -> Result<Self, ApiError> {
        match body {
            Value::Object(members) => Ok(Self {
                members,
                errors: Vec::new(),
            }),
            _ => Err(
                ApiError::bad_request("request.invalid", "Données non valides.").field(
                    "non_field_errors",
                    "Données non valides. Un dictionnaire était attendu.",
                ),
            ),
        }
    }

    /// Whether the field was sent at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Adds a message.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push((name.to_owned(), message.into()));
    }

    /// A text that must be there and hold something; white space around it does not count.
    pub(crate) fn text(&mut self, name: &str, max: usize) -> String {
        match self.members.get(name) {
            None => self.refuse(name, french::REQUIRED),
            Some(Value::Null) => self.refuse(name, french::NULL),
            Some(_) => match self.optional_text(name, max) {
                Some(text) => return text,
                None if self.errors.iter().any(|(field, _)| field == name) => {}
                None => self.refuse(name, french::BLANK),
            },
        }
        String::new()
    }

    /// A text that may be absent, null or empty.
    pub(crate) fn optional_text(&mut self, name: &str, max: usize) -> Option<String> {
        let text = match self.members.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => {
                self.refuse(name, french::TEXT);
                return None;
            }
        };
        if text.chars().count() > max {
            self.refuse(name, french::too_long(max));
            return None;
        }
        if text.contains('\0') {
            self.refuse(name, french::TEXT);
            return None;
        }
        (!text.is_empty()).then_some(text)
    }

    /// One of the allowed texts; `default` when absent, required without one.
    pub(crate) fn choice(
        &mut self,
        name: &str,
        allowed: &[&'static str],
        default: Option<&'static str>,
    ) -> &'static str {
        let text = match self.members.get(name) {
            None => {
                if default.is_none() {
                    self.refuse(name, french::REQUIRED);
                }
                return default.unwrap_or("");
            }
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) => {
                self.refuse(name, french::NULL);
                return "";
            }
            Some(other) => other.to_string(),
        };
        match allowed.iter().find(|choice| **choice == text) {
            Some(choice) => choice,
            None => {
                self.refuse(name, french::not_a_choice(&text));
                ""
            }
        }
    }

    /// An integer that may be absent, null or empty, within bounds.
    pub(crate) fn optional_integer(&mut self, name: &str, min: i64, max: i64) -> Option<i64> {
        let value = match self.members.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) if text.trim().is_empty() => return None,
            Some(Value::String(text)) => common_types::digits::to_ascii(text.trim()).parse().ok(),
            Some(_) => None,
        };
        match value {
            None => self.refuse(name, french::INTEGER),
            Some(value) if value < min => self.refuse(name, french::too_small(min)),
            Some(value) if value > max => self.refuse(name, french::too_large(max)),
            value => return value,
        }
        None
    }

    /// The `id` of another object: required.
    pub(crate) fn reference(&mut self, name: &str) -> i64 {
        match self.members.get(name) {
            None => self.refuse(name, french::REQUIRED),
            Some(Value::Null) => self.refuse(name, french::NULL),
            Some(_) => match self.optional_reference(name) {
                Some(id) => return id,
                None if self.errors.iter().any(|(field, _)| field == name) => {}
                None => self.refuse(name, french::NULL),
            },
        }
        0
    }

    /// The `id` of another object, when given.
    pub(crate) fn optional_reference(&mut self, name: &str) -> Option<i64> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(value) => {
                let id = match value {
                    Value::Number(number) => number.as_i64(),
                    Value::String(text) => text.parse().ok(),
                    _ => None,
                };
                if id.is_none() {
                    let shown = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    self.refuse(name, french::bad_reference(&shown));
                }
                id
            }
        }
    }

    pub(crate) fn boolean(&mut self, name: &str, default: bool) -> bool {
        match self.members.get(name) {
            None => default,
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) if matches!(text.as_str(), "true" | "True" | "1") => true,
            Some(Value::String(text)) if matches!(text.as_str(), "false" | "False" | "0") => false,
            Some(_) => {
                self.refuse(name, french::BOOLEAN);
                default
            }
        }
    }

    fn decimal(
        &mut self,
        name: &str,
        places: u32,
        min: i64,
        max: i64,
        shown_max: i64,
    ) -> Option<i64> {
        let text = match self.members.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) if text.trim().is_empty() => return None,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => String::new(),
        };
        match parse_decimal(&text, places) {
            Err(DecimalError::NotANumber) => self.refuse(name, french::NUMBER),
            Err(DecimalError::TooManyDecimals) => self.refuse(name, french::decimals(places)),
            Ok(value) if value < min => self.refuse(name, french::too_small(min)),
            Ok(value) if value > max => self.refuse(name, french::too_large(shown_max)),
            Ok(value) => return Some(value),
        }
        None
    }

    /// An amount in the currency's main unit, when given; at least `min` minor units.
    pub(crate) fn optional_money(
        &mut self,
        name: &str,
        currency: Currency,
        min: i64,
    ) -> Option<i64> {
        const MOST: i64 = 1_000_000_000_000;
        self.decimal(name, currency.exponent(), min, MOST, MOST)
    }

    /// An amount in the currency's main unit: required.
    pub(crate) fn money(&mut self, name: &str, currency: Currency, min: i64) -> i64 {
        match self.members.get(name) {
            None => self.refuse(name, french::REQUIRED),
            Some(Value::Null) => self.refuse(name, french::NULL),
            Some(_) => match self.optional_money(name, currency, min) {
                Some(value) => return value,
                None if self.errors.iter().any(|(field, _)| field == name) => {}
                None => self.refuse(name, french::NUMBER),
            },
        }
        0
    }

    /// A percentage from 0 to 100 with two decimals, in hundredths.
    pub(crate) fn optional_percentage(&mut self, name: &str) -> Option<i32> {
        self.decimal(name, 2, 0, 10_000, 100)
            .and_then(|value| i32::try_from(value).ok())
    }

    /// A day: required.
    pub(crate) fn date(&mut self, name: &str) -> NaiveDate {
        match self.members.get(name) {
            None => self.refuse(name, french::REQUIRED),
            Some(Value::Null) => self.refuse(name, french::NULL),
            Some(_) => {
                if let Some(day) = self.optional_date(name) {
                    return day;
                }
            }
        }
        NaiveDate::default()
    }

    /// A day, when given. A date with a time counts as its day.
    pub(crate) fn optional_date(&mut self, name: &str) -> Option<NaiveDate> {
        let text = match self.members.get(name) {
            None | Some(Value::Null) => return None,
            Some(value) => value.as_str().unwrap_or_default().to_owned(),
        };
        let day = text.split('T').next().unwrap_or_default();
        match NaiveDate::parse_from_str(day, "%Y-%m-%d") {
            Ok(day) => Some(day),
            Err(_) => {
                self.refuse(name, french::bad_date());
                None
            }
        }
    }

    /// A moment: required; without a zone it is UTC, a bare day its first minute.
    pub(crate) fn datetime(&mut self, name: &str) -> DateTime<Utc> {
        match self.members.get(name) {
            None => self.refuse(name, french::REQUIRED),
            Some(Value::Null) => self.refuse(name, french::NULL),
            Some(value) => {
                if let Some(moment) = parse_moment(value.as_str().unwrap_or_default()) {
                    return moment;
                }
                self.refuse(name, french::bad_datetime());
            }
        }
        DateTime::UNIX_EPOCH
    }

    /// The members of a list field; absent counts as empty.
    pub(crate) fn list(&mut self, name: &str) -> Vec<Value> {
        match self.members.get(name) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.clone(),
            Some(_) => {
                self.refuse(name, "Une liste était attendue.");
                Vec::new()
            }
        }
    }

    /// The messages found so far, taken out.
    pub(crate) fn take_errors(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.errors)
    }

    /// # Errors
    /// 400 with every message under its field and the first one as `detail`.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        refuse_all(self.take_errors())
    }
}

fn refuse_all(errors: Vec<(String, String)>) -> Result<(), ApiError> {
    let Some((_, first)) = errors.first() else {
        return Ok(());
    };
    let error = ApiError::bad_request("request.invalid", first.clone());
    Err(errors
        .into_iter()
        .fold(error, |error, (name, message)| error.field(name, message)))
}

fn parse_moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    for format in [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
    ] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, format) {
            return Some(moment.and_utc());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    day.and_hms_opt(0, 0, 0).map(|moment| moment.and_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_mistake_is_named_in_french() {
        let mut form = Form::new(json!({"first_name": " ", "gender": "X", "age": -1, "price": "1.5", "due_date": "21/11/2026"})).unwrap();
        form.text("first_name", 100);
        form.text("last_name", 100);
        form.choice("gender", &["M", "F"], None);
        form.optional_integer("age", 0, 150);
        form.money("price", Currency::Xof, 0);
        form.date("due_date");
        let errors = form.take_errors();
        let of = |name: &str| {
            errors
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, message)| message.as_str())
                .unwrap()
        };
        assert_eq!(of("first_name"), "Ce champ ne peut être vide.");
        assert_eq!(of("last_name"), "Ce champ est obligatoire.");
        assert_eq!(of("gender"), "«\u{a0}X\u{a0}» n'est pas un choix valide.");
        assert_eq!(
            of("age"),
            "Assurez-vous que cette valeur est supérieure ou égale à\u{a0}0."
        );
        assert_eq!(
            of("price"),
            "Assurez-vous qu'il n'y a pas plus de 0\u{a0}chiffres après la virgule."
        );
        assert!(of("due_date").starts_with("La date n'a pas le bon format."));
    }

    #[test]
    fn empty_values_of_optional_fields_are_none() {
        let mut form =
            Form::new(json!({"age": "", "email": "", "phone": null, "exam_type": null})).unwrap();
        assert_eq!(form.optional_integer("age", 0, 150), None);
        assert_eq!(form.optional_text("email", 10), None);
        assert_eq!(form.optional_text("phone", 10), None);
        assert_eq!(form.optional_reference("exam_type"), None);
        assert!(form.finish().is_ok());
    }

    #[test]
    fn moments_are_read_with_and_without_zone() {
        assert_eq!(
            parse_moment("2026-11-21").unwrap().to_rfc3339(),
            "2026-11-21T00:00:00+00:00"
        );
        assert_eq!(
            parse_moment("2026-11-21T10:30").unwrap().to_rfc3339(),
            "2026-11-21T10:30:00+00:00"
        );
        assert_eq!(
            parse_moment("2026-11-21T10:30:00+03:30")
                .unwrap()
                .to_rfc3339(),
            "2026-11-21T07:00:00+00:00"
        );
        assert!(parse_moment("hier").is_none());
    }
}

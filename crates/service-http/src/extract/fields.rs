//! Turns a JSON object into a type and, when that fails, finds **all** fields that are missing or
//! invalid; serde alone stops at the first.
//!
//! The object is offered to the type again and again: a field that fails is offered last from then
//! on, so that the others are reached; a field that is missing is filled with samples until the type
//! accepts one, so that the next missing one is reported too. Only failed requests pay for this, and
//! the rounds are bounded.

mod sample;

use std::cell::RefCell;

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

use self::sample::Sample;
use crate::{
    error::{ApiError, FieldErrors},
    text::{self, Text},
};

/// Texts that the platform's own types accept, tried for a missing field of an unknown type.
const SAMPLES: [&str; 9] = [
    "",
    "1",
    "00000000-0000-0000-0000-000000000000",
    "+989120000000",
    "2026-01-01T00:00:00Z",
    "2026-01-01",
    "IRR",
    "a@example.org",
    "https://example.org/",
];
const MAX_ROUNDS: usize = 400;

/// Builds `T` from a JSON value.
///
/// # Errors
/// 400 with a message for every missing or invalid field of the top level.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    let Value::Object(members) = value else {
        return serde_json::from_value(value.clone()).map_err(|_| not_an_object(&value));
    };
    let entries: Vec<(String, Offer<'_>)> = members
        .iter()
        .map(|(k, v)| (k.clone(), Offer::Given(v)))
        .collect();
    match offer::<T>(&entries) {
        Ok(value) => Ok(value),
        Err(failure) => Err(ApiError::invalid().fields(collect::<T>(entries, failure))),
    }
}

fn not_an_object(value: &Value) -> ApiError {
    let kind = match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    ApiError::invalid().field(
        "non_field_errors",
        format!("Invalid data. Expected a dictionary, but got {kind}."),
    )
}

/// What is offered for a field.
#[derive(Clone, Copy, Debug)]
enum Offer<'a> {
    Given(&'a Value),
    Sample(&'static str),
}

/// Why a round failed: at a field, or as a whole.
#[derive(Debug)]
struct Failure {
    field: Option<String>,
    error: Error,
}

fn offer<T: DeserializeOwned>(entries: &[(String, Offer<'_>)]) -> Result<T, Failure> {
    let failed = RefCell::new(None);
    let top = Top {
        entries,
        failed: &failed,
    };
    T::deserialize(top).map_err(|error| Failure {
        field: failed.take(),
        error,
    })
}

fn collect<T: DeserializeOwned>(
    mut entries: Vec<(String, Offer<'_>)>,
    first: Failure,
) -> FieldErrors {
    let mut found = FieldErrors::new();
    let mut failure = first;
    for _ in 0..MAX_ROUNDS {
        if let Some(field) = failure.field {
            // Replaced by samples, the field no longer hides those behind it.
            if found.contains_key(&field) {
                if !next_sample(&mut entries, &field) {
                    return found;
                }
            } else {
                found.insert(field.clone(), vec![describe(&failure.error)]);
                set(&mut entries, &field, SAMPLES[0]);
            }
        } else if let Some(field) = missing_field(&failure.error) {
            if found.contains_key(&field) {
                return found;
            }
            found.insert(field.clone(), vec![text::required()]);
            set(&mut entries, &field, SAMPLES[0]);
        } else {
            if found.is_empty() {
                let (name, message) = whole(&failure.error);
                found.insert(name, vec![message]);
            }
            return found;
        }
        match offer::<T>(&entries) {
            Ok(_) => return found,
            Err(next) => failure = next,
        }
    }
    found
}

fn set(entries: &mut Vec<(String, Offer<'_>)>, field: &str, sample: &'static str) {
    entries.retain(|(name, _)| name != field);
    entries.push((field.to_owned(), Offer::Sample(sample)));
}

/// Moves a field to its next sample; false when none is left.
fn next_sample(entries: &mut Vec<(String, Offer<'_>)>, field: &str) -> bool {
    let current = entries
        .iter()
        .find(|(name, _)| name == field)
        .map(|(_, offer)| *offer);
    let Some(Offer::Sample(sample)) = current else {
        return false;
    };
    let next = SAMPLES
        .iter()
        .position(|each| *each == sample)
        .and_then(|index| SAMPLES.get(index + 1));
    match next {
        Some(sample) => {
            set(entries, field, sample);
            true
        }
        None => false,
    }
}

fn missing_field(error: &Error) -> Option<String> {
    let message = error.to_string();
    let rest = message.strip_prefix("missing field `")?;
    rest.split('`').next().map(str::to_owned)
}

fn whole(error: &Error) -> (String, Text) {
    let message = error.to_string();
    match message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
    {
        Some(field) => (
            field.to_owned(),
            Text::i18n(
                "این فیلد شناخته‌شده نیست.",
                "Champ inconnu.",
                "Unknown field.",
            ),
        ),
        None => ("non_field_errors".to_owned(), describe(error)),
    }
}

/// What serde says about a value, in the words of Django REST Framework.
fn describe(error: &Error) -> Text {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    if let Some(field) = missing_field(error) {
        return Text::i18n(
            format!("{field}: این فیلد الزامی است."),
            format!("{field} : ce champ est obligatoire."),
            format!("{field}: This field is required."),
        );
    }
    if message.starts_with("invalid type: null") {
        return text::not_null();
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        return text::not_a_choice(rest.split('`').next().unwrap_or_default());
    }
    let Some(expected) = message
        .strip_prefix("invalid ")
        .filter(|rest| rest.starts_with("type: ") || rest.starts_with("value: "))
        .and_then(|rest| {
            rest.rsplit_once(", expected ")
                .map(|(_, expected)| expected)
        })
    else {
        return if message.contains("UUID") {
            text::not_a_uuid()
        } else {
            Text::from(message)
        };
    };
    match expected {
        "a string" | "a character" => text::not_a_string(),
        "a boolean" => text::not_a_boolean(),
        "f32" | "f64" => text::not_a_number(),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
            text::not_an_integer()
        }
        other if other.contains("UUID") || other.contains("uuid") => text::not_a_uuid(),
        _ => text::invalid_value(),
    }
}

/// The object as serde sees it.
struct Top<'a> {
    entries: &'a [(String, Offer<'a>)],
    failed: &'a RefCell<Option<String>>,
}

impl<'de> Deserializer<'de> for Top<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Members {
            rest: self.entries,
            failed: self.failed,
            current: None,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Members<'a> {
    rest: &'a [(String, Offer<'a>)],
    failed: &'a RefCell<Option<String>>,
    current: Option<&'a (String, Offer<'a>)>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        self.rest = rest;
        self.current = Some(first);
        let key: de::value::StrDeserializer<'_, Error> = first.0.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some((name, offer)) = self.current.take() else {
            return Err(de::Error::custom("value before key"));
        };
        let outcome = match offer {
            // Owned, because the type may want to keep the value and `'de` is the caller's choice.
            Offer::Given(value) => seed.deserialize((*value).clone()),
            Offer::Sample(sample) => seed.deserialize(Sample(sample)),
        };
        outcome.inspect_err(|_| {
            self.failed.borrow_mut().get_or_insert_with(|| name.clone());
        })
    }
}

#[cfg(test)]
mod tests;

//! The last look before something is stored or shown: by member names, and by what a value looks like. What is not clearly
//! harmless is replaced by its length.

use serde_json::Value;
use uuid::Uuid;

/// Member names whose values are never stored.
const SECRET_NAMES: [&str; 20] = [
    "token",
    "secret",
    "password",
    "authorization",
    "api_key",
    "apikey",
    "key_value",
    "signature",
    "cookie",
    "otp",
    "code",
    "message",
    "text",
    "prompt",
    "html",
    "body",
    "content",
    "name",
    "email",
    "address",
];
/// Member names that end like a secret's and hold none.
const HARMLESS_NAMES: [&str; 8] = [
    "error_code",
    "status_code",
    "error_text",
    "key_name",
    "provider_name",
    "service_name",
    "event_name",
    "template_name",
];
/// Longest text that may be a word of ours.
const LONGEST: usize = 128;
/// A run of so many digits may be a code, a phone number or a card.
const DIGITS: usize = 4;
/// The same in a number that is masked already, such as `+98912***4567`.
const MASKED_DIGITS: usize = 6;

/// Replaces what is or may be a secret, a text or a person's.
pub(crate) fn redact(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let lower = name.to_ascii_lowercase();
                let secret = SECRET_NAMES
                    .iter()
                    .any(|word| lower == *word || lower.ends_with(&format!("_{word}")));
                if secret && !HARMLESS_NAMES.contains(&lower.as_str()) && !value.is_null() {
                    (name, Value::from("***"))
                } else if lower == "model" {
                    (name, value)
                } else {
                    (name, redact(value))
                }
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(redact).collect(),
        Value::String(text) => Value::from(redact_text(&text)),
        other => other,
    }
}

/// Leaves our own words, ids and masked numbers; from anything else numbers, addresses and long words go.
pub(crate) fn redact_text(text: &str) -> String {
    if Uuid::parse_str(text).is_ok() || chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return text.to_owned();
    }
    let length = text.chars().count();
    if length > LONGEST {
        return format!("[{length} characters]");
    }
    text.split_inclusive(char::is_whitespace)
        .map(word)
        .collect()
}

fn word(word: &str) -> String {
    let bare = word.trim_end();
    let end = &word[bare.len()..];
    let hidden = if bare.contains('@') {
        "[address]"
    } else if longest_run(bare)
        >= if bare.contains('*') {
            MASKED_DIGITS
        } else {
            DIGITS
        }
    {
        "[number]"
    } else if looks_random(bare) {
        "[secret]"
    } else {
        return word.to_owned();
    };
    format!("{hidden}{end}")
}

fn longest_run(word: &str) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in word.chars() {
        run = if c.is_numeric() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// A key: long, of letters and digits mixed.
fn looks_random(word: &str) -> bool {
    word.len() >= 20
        && word.chars().any(|c| c.is_ascii_digit())
        && word.chars().any(|c| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+/=-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_replaced_at_any_depth() {
        let dirty = json!({"token": "1", "a": [{"api_key": "k", "n": 1}], "error_code": "x", "user_token": "z"});
        let clean = redact(dirty);
        assert_eq!(
            clean,
            json!({"token": "***", "a": [{"api_key": "***", "n": 1}], "error_code": "x", "user_token": "***"})
        );
    }

    #[test]
    fn i08_values_are_looked_at_too() {
        for (dirty, clean) in [
            ("code 4821 was sent", "code [number] was sent"),
            ("به ۰۹۱۲۱۲۳۴۵۶۷ رسید", "به [number] رسید"),
            ("mail to a@b.ir", "mail to [address]"),
            ("Bearer sk1live9abcdefghijklmnop", "Bearer [secret]"),
            ("provider.429", "provider.429"),
            ("+98912***4567", "+98912***4567"),
        ] {
            assert_eq!(redact_text(dirty), clean);
        }
        let id = "0192f1d2-0000-7000-8000-123456789012";
        assert_eq!(redact_text(id), id);
        assert_eq!(redact_text(&"x".repeat(200)), "[200 characters]");
        assert_eq!(
            redact(json!({"model": "gpt-4-0613", "detail": "09121234567"})),
            json!({"model": "gpt-4-0613", "detail": "[number]"})
        );
    }

    proptest! {
        #[test]
        fn no_code_of_four_digits_or_more_passes(before in "[a-z ]{0,20}", code in "[0-9]{4,12}", after in "[a-z ]{0,20}") {
            let shown = redact_text(&format!("{before}{code}{after}"));
            prop_assert!(!shown.contains(&code), "{}", shown);
        }
    }
}

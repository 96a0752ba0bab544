//! The last look before something is stored or shown.

use serde_json::Value;

/// Member names whose values are never stored.
const SECRET_NAMES: [&str; 16] = [
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
];

/// Replaces the values of members whose name speaks of a secret or a text.
pub(crate) fn redact(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let lower = name.to_ascii_lowercase();
                let secret = SECRET_NAMES
                    .iter()
                    .any(|word| lower == *word || lower.ends_with(&format!("_{word}")));
                // An error code is no code of a person.
                if secret
                    && !matches!(lower.as_str(), "error_code" | "status_code")
                    && !value.is_null()
                {
                    (name, Value::from("***"))
                } else {
                    (name, redact(value))
                }
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(redact).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
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
}

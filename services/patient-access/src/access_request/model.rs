//! Rules of requests, without clock or database.

use common_types::digits;
use serde_json::Value;

/// Codes of this purpose have so many digits.
const CODE_LENGTH: usize = 6;
/// After so many wrong codes even the right one is refused.
pub(crate) const MAX_ATTEMPTS: i32 = 3;

/// Where a request stands; the names of the replaced system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    Verified,
    Expired,
    Rejected,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
        }
    }
}

/// How often a wrong code may still be followed by another, after `attempts` wrong ones.
pub(crate) fn attempts_left(attempts: i32) -> i32 {
    (MAX_ATTEMPTS - attempts).max(0)
}

/// Where a request stands after a wrong code: the third leaves it pending with nothing left, the
/// fourth rejects it (measured on the replaced system, wire.md 2.2).
pub(crate) fn status_after_wrong(attempts: i32) -> Status {
    if attempts > MAX_ATTEMPTS {
        Status::Rejected
    } else {
        Status::Pending
    }
}

/// A member that may come as text or as a number, without surrounding space; `None` when it is
/// absent, null or empty.
pub(crate) fn text_of(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A code as the person typed it, in ASCII digits; a number lost its leading zeros on the way.
pub(crate) fn code_of(value: Option<&Value>) -> Option<String> {
    let text = digits::to_ascii(&text_of(value)?);
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect();
    match value {
        Some(Value::Number(_)) => Some(format!("{text:0>CODE_LENGTH$}")),
        _ => Some(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn p03_a_code_as_number_or_with_persian_digits_counts_as_its_text() {
        assert_eq!(code_of(Some(&json!(1234))).unwrap(), "001234");
        assert_eq!(code_of(Some(&json!("۱۲۳۴۵۶"))).unwrap(), "123456");
        assert_eq!(code_of(Some(&json!(" 123-456 "))).unwrap(), "123456");
        for nothing in [json!(null), json!(""), json!("  "), json!([1])] {
            assert_eq!(code_of(Some(&nothing)), None);
        }
        assert_eq!(code_of(None), None);
    }

    #[test]
    fn p03_the_sequence_of_wrong_codes_is_the_measured_one() {
        let told: Vec<_> = (1..=4)
            .map(|n| (attempts_left(n), status_after_wrong(n).as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (2, "pending"),
                (1, "pending"),
                (0, "pending"),
                (0, "rejected")
            ]
        );
    }
}

//! Amounts and texts as clients of the replaced system send them.

use common_types::digits;
use serde_json::Value;

/// Why an amount is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadAmount {
    /// Absent, null or empty.
    Missing,
    /// Not a whole number.
    NotANumber,
    /// Zero or less.
    NotPositive,
    /// More than the ledger or the contract takes.
    TooLarge,
}

impl BadAmount {
    /// The words that CrazyMiner's clients show (wire.md 2.6).
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Missing => "این مقدار لازم است.",
            Self::NotANumber => "یک عدد صحیح معتبر وارد کنید.",
            Self::NotPositive => "مبلغ باید بیشتر از صفر باشد",
            Self::TooLarge => "مطمئن شوید که بیش از 10 رقم وجود ندارد.",
        }
    }
}

/// A whole number of minor units, as a JSON number or as text in any digits; at most `max`.
pub(super) fn amount(value: Option<&Value>, max: i64) -> Result<i64, BadAmount> {
    let amount = match value {
        None | Some(Value::Null) => return Err(BadAmount::Missing),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(amount) => amount,
            None if number.is_u64() => return Err(BadAmount::TooLarge),
            None => return Err(BadAmount::NotANumber),
        },
        Some(Value::String(text)) => written(text)?,
        Some(_) => return Err(BadAmount::NotANumber),
    };
    if amount <= 0 {
        Err(BadAmount::NotPositive)
    } else if amount > max {
        Err(BadAmount::TooLarge)
    } else {
        Ok(amount)
    }
}

fn written(text: &str) -> Result<i64, BadAmount> {
    let text = digits::to_ascii(text.trim());
    if text.is_empty() {
        return Err(BadAmount::Missing);
    }
    let number = text.strip_prefix('-').unwrap_or(&text);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadAmount::NotANumber);
    }
    // Digits only: what does not fit is too large, or too small and then not positive.
    text.parse().map_err(|_| {
        if text.starts_with('-') {
            BadAmount::NotPositive
        } else {
            BadAmount::TooLarge
        }
    })
}

/// A text without surrounding blanks; `None` when absent or empty. Numbers count as their text.
pub(crate) fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    // PostgreSQL's text takes no NUL.
    let text = text.replace('\0', "");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const MAX: i64 = 9_999_999_999;

    #[rstest]
    #[case(json!(10000), Ok(10_000))]
    #[case(json!("10000"), Ok(10_000))]
    #[case(json!("۱۰۰۰۰"), Ok(10_000))]
    #[case(json!(" 10000 "), Ok(10_000))]
    #[case(json!(0), Err(BadAmount::NotPositive))]
    #[case(json!(-1), Err(BadAmount::NotPositive))]
    #[case(json!(i64::MAX), Err(BadAmount::TooLarge))]
    #[case(json!(u64::MAX), Err(BadAmount::TooLarge))]
    #[case(json!(9_999_999_999_i64), Ok(9_999_999_999))]
    #[case(json!(10_000_000_000_i64), Err(BadAmount::TooLarge))]
    #[case(json!("99999999999999999999999999"), Err(BadAmount::TooLarge))]
    #[case(json!("-99999999999999999999999999"), Err(BadAmount::NotPositive))]
    #[case(json!(1.5), Err(BadAmount::NotANumber))]
    #[case(json!(1e30), Err(BadAmount::NotANumber))]
    #[case(json!("1.0"), Err(BadAmount::NotANumber))]
    #[case(json!("NaN"), Err(BadAmount::NotANumber))]
    #[case(json!("1e5"), Err(BadAmount::NotANumber))]
    #[case(json!("+5"), Err(BadAmount::NotANumber))]
    #[case(json!(""), Err(BadAmount::Missing))]
    #[case(json!(null), Err(BadAmount::Missing))]
    #[case(json!(true), Err(BadAmount::NotANumber))]
    #[case(json!([1]), Err(BadAmount::NotANumber))]
    fn q_m5_only_whole_positive_amounts_pass(
        #[case] value: Value,
        #[case] expected: Result<i64, BadAmount>,
    ) {
        assert_eq!(amount(Some(&value), MAX), expected);
    }

    #[test]
    fn texts_lose_blanks_and_nul() {
        assert_eq!(text(Some(&json!(" a\0b "))), Some("ab".to_owned()));
        assert_eq!(text(Some(&json!(12))), Some("12".to_owned()));
        assert_eq!(text(Some(&json!("  "))), None);
        assert_eq!(text(Some(&json!({}))), None);
    }
}

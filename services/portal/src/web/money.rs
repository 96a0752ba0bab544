//! Amounts on the wire: strings with the currency's decimals (`"15000"`), computed sums as numbers.

use common_types::Currency;
use serde_json::{Number, Value};

/// An amount as CIMEF's clients read it.
pub(crate) fn money_text(currency: Currency, minor: i64) -> String {
    let exponent = currency.exponent();
    if exponent == 0 {
        return minor.to_string();
    }
    let scale = 10_u64.pow(exponent);
    let sign = if minor < 0 { "-" } else { "" };
    let absolute = minor.unsigned_abs();
    let width = usize::try_from(exponent).unwrap_or(2);
    format!("{sign}{}.{:0width$}", absolute / scale, absolute % scale)
}

/// A computed sum: a JSON number.
pub(crate) fn money_number(currency: Currency, minor: i64) -> Value {
    if currency.exponent() == 0 {
        return Value::from(minor);
    }
    let text = money_text(currency, minor);
    text.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map_or(Value::Null, Value::Number)
}

/// Hundredths as `"18.00"`.
pub(crate) fn hundredths_text(hundredths: i32) -> String {
    format!("{}.{:02}", hundredths / 100, (hundredths % 100).abs())
}

/// Why a decimal was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DecimalError {
    NotANumber,
    TooManyDecimals,
}

/// A decimal with at most `places` decimals, as an integer of that scale. Trailing zeros count for nothing.
pub(crate) fn parse_decimal(text: &str, places: u32) -> Result<i64, DecimalError> {
    let text = common_types::digits::to_ascii(text.trim());
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1_i64, rest),
        None => (1, text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(DecimalError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    let width = usize::try_from(places).unwrap_or(0);
    if fraction.len() > width {
        return Err(DecimalError::TooManyDecimals);
    }
    format!("{whole}{fraction:0<width$}")
        .parse::<i64>()
        .map(|value| sign * value)
        .map_err(|_| DecimalError::NotANumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_strings_without_point() {
        assert_eq!(money_text(Currency::Xof, 15_000), "15000");
        assert_eq!(money_text(Currency::Eur, -1_205), "-12.05");
        assert_eq!(hundredths_text(1_800), "18.00");
        assert_eq!(money_number(Currency::Xof, 31_999), Value::from(31_999));
    }

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(
            parse_decimal("15000.00", Currency::Xof.exponent()),
            Ok(15_000)
        );
        assert_eq!(parse_decimal("۱۵۰۰۰", Currency::Xof.exponent()), Ok(15_000));
        assert_eq!(
            parse_decimal("10.5", Currency::Xof.exponent()),
            Err(DecimalError::TooManyDecimals)
        );
        assert_eq!(parse_decimal("10.5", Currency::Eur.exponent()), Ok(1_050));
        assert_eq!(parse_decimal("18", 2), Ok(1_800));
        assert_eq!(parse_decimal("-100", 2), Ok(-10_000));
        assert_eq!(
            parse_decimal("1e3", Currency::Xof.exponent()),
            Err(DecimalError::NotANumber)
        );
        assert_eq!(
            parse_decimal("99999999999999999999", Currency::Xof.exponent()),
            Err(DecimalError::NotANumber)
        );
    }
}

//! Phone numbers: any spelling in, E.164 kept.

use crate::digits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// A phone number in E.164. Debug and Display mask it (`+98912***4567`); [`PhoneNumber::e164`] is the only way to the
/// whole number, so a stray log line cannot hold one.
///
/// Accepted spellings (seeds.md 1.9, row 7): `0912…`, `912…`, `98912…`, `+98912…`, `0098912…`, `+98 0912…`, the Senegalese
/// `77 123 45 67`, `221…`, `+221…`, `00221…`, and any other number written with `+` or `00`; with Persian or Arabic digits, spaces, dashes,
/// dots, brackets and direction marks anywhere. Every Iranian mobile prefix `900` to `999` is valid; +98 numbers that
/// are not mobiles are refused because nothing could be sent to them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number. The text itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing but separators.
    #[error("Phone number is required")]
    Empty,
    /// A character that no spelling of a phone number holds.
    #[error("Invalid phone number format")]
    Character,
    /// Right characters, but no number of any accepted form.
    #[error("Invalid phone number")]
    Invalid,
}

impl PhoneNumber {
    /// Reads a phone number in any accepted spelling.
    ///
    /// # Errors
    /// [`PhoneError`] when the text is empty, holds foreign characters, or is no valid number.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let (plus, digits) = scan(text)?;
        let international = if plus {
            Some(digits.as_str())
        } else {
            digits.strip_prefix("00")
        };
        match international {
            Some(rest) => from_international(rest),
            None => from_national(&digits),
        }
        .map(Self)
        .ok_or(PhoneError::Invalid)
    }

    /// The number in E.164, for example `+989121234567`.
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.0
    }

    /// The number as people of its country write it: `09121234567` for Iran, `771234567` for Senegal, E.164 elsewhere.
    #[must_use]
    pub fn national(&self) -> String {
        if let Some(rest) = self.0.strip_prefix("+98") {
            format!("0{rest}")
        } else if let Some(rest) = self.0.strip_prefix("+221") {
            rest.to_owned()
        } else {
            self.0.clone()
        }
    }

    /// The number with at least three digits hidden, for logs and screens: `+98912***4567`.
    #[must_use]
    pub fn masked(&self) -> String {
        let length = self.0.len();
        let head = length.saturating_sub(7).clamp(2, 6);
        format!("{}***{}", &self.0[..head], &self.0[length - 4..])
    }
}

/// Keeps digits as ASCII and tells whether a plus stood before the first of them.
fn scan(text: &str) -> Result<(bool, String), PhoneError> {
    let mut plus = false;
    let mut out = String::with_capacity(16);
    for c in text.chars() {
        match digits::ascii_digit(c) {
            d if d.is_ascii_digit() => out.push(d),
            '+' | '＋' if out.is_empty() && !plus => plus = true,
            '-' | '.' | '(' | ')' | '/' | '\u{2010}'..='\u{2015}' => {}
            c if c.is_whitespace() || digits::is_invisible(c) => {}
            _ => return Err(PhoneError::Character),
        }
        if out.len() > 20 {
            return Err(PhoneError::Invalid);
        }
    }
    if out.is_empty() {
        Err(PhoneError::Empty)
    } else {
        Ok((plus, out))
    }
}

fn from_international(digits: &str) -> Option<String> {
    if let Some(rest) = digits.strip_prefix("98") {
        return iranian_mobile(rest.strip_prefix('0').unwrap_or(rest));
    }
    if let Some(rest) = digits.strip_prefix("221") {
        return senegalese(rest);
    }
    // E.164: at most fifteen digits, no country code begins with zero; fewer than eight is no subscriber anywhere.
    ((8..=15).contains(&digits.len()) && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

fn from_national(digits: &str) -> Option<String> {
    match digits.len() {
        11 => digits.strip_prefix('0').and_then(iranian_mobile),
        10 => iranian_mobile(digits),
        9 => digits
            .starts_with('7')
            .then(|| senegalese(digits))
            .flatten(),
        12 => digits
            .strip_prefix("98")
            .and_then(iranian_mobile)
            .or_else(|| digits.strip_prefix("221").and_then(senegalese)),
        13 => digits.strip_prefix("980").and_then(iranian_mobile),
        _ => None,
    }
}

fn iranian_mobile(nsn: &str) -> Option<String> {
    (nsn.len() == 10 && nsn.starts_with('9')).then(|| format!("+98{nsn}"))
}

fn senegalese(nsn: &str) -> Option<String> {
    (nsn.len() == 9 && (nsn.starts_with('7') || nsn.starts_with('3'))).then(|| format!("+221{nsn}"))
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl FromStr for PhoneNumber {
    type Err = PhoneError;
    fn from_str(text: &str) -> Result<Self, PhoneError> {
        Self::parse(text)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for PhoneNumber {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A phone number in any spelling; E.164 in answers."))
            .examples(["+989121234567"])
            .into()
    }
}

impl utoipa::ToSchema for PhoneNumber {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("09121234567")]
    #[case("9121234567")]
    #[case("989121234567")]
    #[case("+989121234567")]
    #[case("00989121234567")]
    #[case("+9809121234567")]
    #[case("۰۹۱۲۱۲۳۴۵۶۷")]
    #[case("٠٩١٢١٢٣٤٥٦٧")]
    #[case(" 0912 123-45.67 ")]
    #[case("\u{200F}+98\u{200E} (912) 123 4567\u{202C}")]
    fn every_spelling_of_an_iranian_mobile_is_one_number(#[case] text: &str) {
        assert_eq!(PhoneNumber::parse(text).unwrap().e164(), "+989121234567");
    }

    #[rstest]
    #[case("77 123 45 67", "+221771234567")]
    #[case("+221 77 123 45 67", "+221771234567")]
    #[case("00221338211234", "+221338211234")]
    #[case("221771234567", "+221771234567")]
    #[case("+33 6 12 34 56 78", "+33612345678")]
    #[case("0014155550123", "+14155550123")]
    fn other_countries(#[case] text: &str, #[case] e164: &str) {
        assert_eq!(PhoneNumber::parse(text).unwrap().e164(), e164);
    }

    #[rstest]
    #[case("", PhoneError::Empty)]
    #[case(" - ", PhoneError::Empty)]
    #[case("not-a-phone", PhoneError::Character)]
    #[case("0912123456x", PhoneError::Character)]
    #[case("0912+1234567", PhoneError::Character)]
    #[case("0912123456", PhoneError::Invalid)]
    #[case("091212345678", PhoneError::Invalid)]
    #[case("02188776655", PhoneError::Invalid)]
    #[case("+982188776655", PhoneError::Invalid)]
    #[case("+0912123456", PhoneError::Invalid)]
    #[case("+1234567", PhoneError::Invalid)]
    #[case("+1234567890123456", PhoneError::Invalid)]
    #[case("99999999999999999999999999", PhoneError::Invalid)]
    fn what_is_not_a_phone_number(#[case] text: &str, #[case] error: PhoneError) {
        assert_eq!(PhoneNumber::parse(text), Err(error));
    }

    #[test]
    fn debug_and_display_are_masked_but_json_is_whole() {
        let phone = PhoneNumber::parse("09121234567").unwrap();
        assert_eq!(phone.to_string(), "+98912***4567");
        assert_eq!(format!("{phone:?}"), "PhoneNumber(+98912***4567)");
        assert_eq!(serde_json::to_string(&phone).unwrap(), "\"+989121234567\"");
        assert_eq!(
            serde_json::from_str::<PhoneNumber>("\"0912 123 4567\"").unwrap(),
            phone
        );
        assert!(serde_json::from_str::<PhoneNumber>("\"12\"").is_err());
    }

    proptest! {
        #[test]
        fn national_and_e164_lead_back_to_the_same_number(nsn in "9[0-9]{9}") {
            let phone = PhoneNumber::parse(&nsn).unwrap();
            prop_assert_eq!(&PhoneNumber::parse(&phone.national()).unwrap(), &phone);
            prop_assert_eq!(&PhoneNumber::parse(phone.e164()).unwrap(), &phone);
            prop_assert_eq!(phone.national(), format!("0{nsn}"));
        }

        #[test]
        fn any_e164_round_trips_and_its_mask_hides_three_digits(digits in "[1-9][0-9]{7,14}") {
            if let Ok(phone) = PhoneNumber::parse(&format!("+{digits}")) {
                prop_assert_eq!(&PhoneNumber::parse(phone.e164()).unwrap(), &phone);
                prop_assert_eq!(&PhoneNumber::parse(&phone.national()).unwrap(), &phone);
                let masked = phone.masked();
                let shown = masked.chars().filter(char::is_ascii_digit).count();
                prop_assert!(phone.e164().len() - 1 - shown >= 3);
            }
        }

        #[test]
        fn separators_digits_and_marks_change_nothing(nsn in "9[0-9]{9}", at in 0usize..10, mark in prop::sample::select(vec![" ", "-", "\u{200e}", "\u{200f}", "\u{200c}", "."])) {
            let mut text = nsn.clone();
            text.insert_str(at, mark);
            let persian: String = text.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(0x06F0 + d)).unwrap_or(c)).collect();
            prop_assert_eq!(PhoneNumber::parse(&persian).unwrap(), PhoneNumber::parse(&nsn).unwrap());
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = PhoneNumber::parse(&text);
        }
    }
}

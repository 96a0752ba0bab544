//! Digits, amounts and dates as each language writes them.

use chrono::{Datelike, NaiveDate};
use common_types::{Currency, Language};
use icu_calendar::{Date, cal::Persian};

/// Writes the digits of a text in the language's own numerals: Persian ones in fa.
#[must_use]
pub fn digits(language: Language, text: &str) -> String {
    if language != Language::Fa {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c.to_digit(10) {
            Some(digit) => char::from_u32(0x06F0 + digit).unwrap_or(c),
            None => c,
        })
        .collect()
}

fn grouped(language: Language, minor: i64, exponent: u32) -> String {
    let (group, point) = match language {
        Language::Fa => ('\u{066C}', '\u{066B}'),
        Language::Fr => ('\u{00A0}', ','),
        Language::En => (',', '.'),
    };
    let scale = 10_u64.pow(exponent);
    let absolute = minor.unsigned_abs();
    let whole = (absolute / scale).to_string();
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(group);
        }
        text.push(digit);
    }
    if exponent > 0 {
        let fraction = absolute % scale;
        let width = usize::try_from(exponent).unwrap_or(0);
        text.push(point);
        text.push_str(&format!("{fraction:0width$}"));
    }
    let text = digits(language, &text);
    // U+2212 with a left-to-right mark would travel in Persian; the caller isolates the number.
    if minor < 0 {
        format!("\u{2212}{text}")
    } else {
        text
    }
}

/// Name of a currency as printed beside an amount.
pub(crate) fn currency_name(language: Language, currency: Currency) -> &'static str {
    match (currency, language) {
        (Currency::Irr, Language::Fa) => "ریال",
        (Currency::Irt, Language::Fa) => "تومان",
        (Currency::Xof, Language::Fa) => "فرانک سیفا",
        (Currency::Eur, Language::Fa) => "یورو",
        (Currency::Usd, Language::Fa) => "دلار",
        (Currency::Irr, _) => "IRR",
        (Currency::Irt, _) => "IRT",
        (Currency::Xof, _) => "FCFA",
        (Currency::Eur, _) => "€",
        (Currency::Usd, _) => "USD",
    }
}

/// The number of an amount in minor units, grouped by thousands, without its currency.
#[must_use]
pub fn amount(language: Language, currency: Currency, minor: i64) -> String {
    grouped(language, minor, currency.exponent())
}

/// A share given in hundredths of a percent: 1800 is `18 %`, 1850 is `18,5 %` in French.
#[must_use]
pub fn percent(language: Language, hundredths: u32) -> String {
    let point = match language {
        Language::Fa => '\u{066B}',
        Language::Fr => ',',
        Language::En => '.',
    };
    let whole = (hundredths / 100).to_string();
    let fraction = format!("{:02}", hundredths % 100);
    let fraction = fraction.trim_end_matches('0');
    let number = if fraction.is_empty() {
        whole
    } else {
        format!("{whole}{point}{fraction}")
    };
    match language {
        Language::Fa => format!("{}٪", digits(language, &number)),
        Language::Fr => format!("{number}\u{00A0}%"),
        Language::En => format!("{number}%"),
    }
}

/// A date as the language's readers write it: Solar Hijri in fa, day first in fr, ISO in en.
#[must_use]
pub fn date(language: Language, day: NaiveDate) -> String {
    match language {
        Language::Fa => digits(language, &solar_hijri(day)),
        Language::Fr => day.format("%d/%m/%Y").to_string(),
        Language::En => day.format("%Y-%m-%d").to_string(),
    }
}

/// Solar Hijri date as `1405/08/30`; the Gregorian one when the calendar refuses the year.
fn solar_hijri(day: NaiveDate) -> String {
    let gregorian = || day.format("%Y/%m/%d").to_string();
    let (Ok(month), Ok(number)) = (u8::try_from(day.month()), u8::try_from(day.day())) else {
        return gregorian();
    };
    match Date::try_new_iso(day.year(), month, number) {
        Ok(iso) => {
            let date = iso.to_calendar(Persian);
            let (year, month, day) = (
                date.year().extended_year(),
                date.month().ordinal,
                date.day_of_month().0,
            );
            format!("{year:04}/{month:02}/{day:02}")
        }
        Err(_) => gregorian(),
    }
}

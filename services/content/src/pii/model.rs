//! Finding, masking, restoring. Pure.

use std::{collections::BTreeMap, ops::Range, sync::LazyLock};

use common_types::digits::ascii_digit;
use regex::Regex;
use serde_json::{Value, json};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Email,
    Iban,
    Card,
    Phone,
    NationalId,
}

impl Kind {
    fn key(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Card => "card",
            Self::Phone => "phone",
            Self::NationalId => "national_id",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Email => "email address(es)",
            Self::Iban => "IBAN(s)",
            Self::Card => "card number(s)",
            Self::Phone => "phone number(s)",
            Self::NationalId => "national ID(s)",
        }
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant expression")
}

// In this order: a longer number must be found before a shorter one that lies in it.
static FORMS: LazyLock<[(Kind, Regex); 6]> = LazyLock::new(|| {
    [
        (
            Kind::Email,
            regex(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"),
        ),
        (Kind::Iban, regex(r"(?i)IR[ \-]?(?:[0-9][ \-]?){23}[0-9]")),
        (Kind::Card, regex(r"[0-9]{4}(?:[ \-]?[0-9]{4}){3}")),
        (
            Kind::Phone,
            regex(
                r"(?:(?:\+|00)98[ \-.]?0?|98|0)?[ \-.]?9[0-9]{2}[ \-.]?[0-9]{3}[ \-.]?[0-9]{2}[ \-.]?[0-9]{2}",
            ),
        ),
        (Kind::NationalId, regex(r"[0-9]{3}-?[0-9]{6}-?[0-9]")),
        (Kind::Phone, regex(r"(?:\+|00)[1-9](?:[ \-.]?[0-9]){7,14}")),
    ]
});

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    kind: Kind,
    range: Range<usize>,
}

/// Findings by place, none over another.
fn find(text: &str) -> Vec<Finding> {
    let mut plain = String::with_capacity(text.len());
    // Where each byte of `plain` comes from: digits shrink from two or three bytes to one.
    let mut origin: Vec<usize> = Vec::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        let c = ascii_digit(c);
        origin.extend(std::iter::repeat_n(at, c.len_utf8()));
        plain.push(c);
    }
    origin.push(text.len());
    let mut found: Vec<(Kind, Range<usize>)> = Vec::new();
    for (kind, form) in FORMS.iter() {
        for hit in form.find_iter(&plain) {
            let range = hit.start() + leading_separators(hit.as_str())..hit.end();
            let free = found
                .iter()
                .all(|(_, other)| range.end <= other.start || other.end <= range.start);
            if free && stands_alone(&plain, &range) && is_valid(*kind, &plain, &range) {
                found.push((*kind, range));
            }
        }
    }
    found.sort_by_key(|(_, range)| range.start);
    found
        .into_iter()
        .map(|(kind, range)| Finding {
            kind,
            range: origin[range.start]..origin[range.end],
        })
        .collect()
}

fn leading_separators(hit: &str) -> usize {
    hit.len() - hit.trim_start_matches([' ', '-', '.']).len()
}

/// No digit goes on before or after it.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    !digit(text[..range.start].chars().next_back()) && !digit(text[range.end..].chars().next())
}

fn is_valid(kind: Kind, text: &str, range: &Range<usize>) -> bool {
    let digits: Vec<u32> = text[range.clone()]
        .chars()
        .filter_map(|c| c.to_digit(10))
        .collect();
    match kind {
        Kind::Email | Kind::Iban | Kind::Phone => true,
        Kind::Card => luhn(&digits),
        Kind::NationalId => national_id(&digits) || names_national_id(&text[..range.start]),
    }
}

fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| match i % 2 {
            0 => *d,
            _ if *d > 4 => d * 2 - 9,
            _ => d * 2,
        })
        .sum();
    sum > 0 && sum.is_multiple_of(10)
}

/// The check digit of the Iranian national id (mod 11).
fn national_id(digits: &[u32]) -> bool {
    if digits.len() != 10 || digits.iter().all(|d| *d == digits[0]) {
        return false;
    }
    let sum: u32 = digits[..9]
        .iter()
        .zip((2..=10).rev())
        .map(|(d, weight)| d * weight)
        .sum();
    let rest = sum % 11;
    digits[9] == if rest < 2 { rest } else { 11 - rest }
}

/// Ten digits after the words for a national id are one, whatever their check digit says.
fn names_national_id(before: &str) -> bool {
    let near: String = before
        .chars()
        .rev()
        .take(24)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<String>()
        .to_lowercase();
    [
        "کد ملی",
        "کدملی",
        "کد\u{200c}ملی",
        "شماره ملی",
        "شمارهٔ ملی",
        "national id",
        "national code",
    ]
    .iter()
    .any(|words| near.contains(words))
}

/// `{"phone": ["Found 1 phone number(s)"]}`, or `[]` when nothing was found (wire.md 8.1).
pub(crate) fn warnings(text: &str) -> (bool, Value) {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    for finding in find(text) {
        *counts.entry(finding.kind).or_default() += 1;
    }
    if counts.is_empty() {
        return (false, json!([]));
    }
    let object = counts
        .into_iter()
        .map(|(kind, count)| {
            (
                kind.key().to_owned(),
                json!([format!("Found {count} {}", kind.label())]),
            )
        })
        .collect();
    (true, Value::Object(object))
}

/// The text with every finding replaced by a placeholder, the same value by the same one, and the values by placeholder.
pub(crate) fn mask(text: &str) -> (String, BTreeMap<String, String>) {
    let mut out = String::with_capacity(text.len());
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut end = 0;
    for Finding { kind, range } in find(text) {
        let value = &text[range.clone()];
        let known = values
            .iter()
            .find(|(_, v)| *v == value)
            .map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let count = counts.entry(kind).or_default();
            *count += 1;
            format!("[{}_{count}]", kind.key().to_uppercase())
        });
        out.push_str(&text[end..range.start]);
        out.push_str(&name);
        end = range.end;
        values.insert(name, value.to_owned());
    }
    out.push_str(&text[end..]);
    (out, values)
}

/// The text with the placeholders of [`mask`] turned back.
pub(crate) fn restore(text: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(name, value)
    })
}

#[cfg(test)]
mod tests;

//! The three languages of Tabib's users.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// Persian (right to left), French or English.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Persian.
    Fa,
    /// French.
    Fr,
    /// English.
    En,
}

/// The text names none of the three languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown language")]
pub struct UnknownLanguage;

impl Language {
    /// The two-letter code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fa => "fa",
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// True for Persian.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        self == Self::Fa
    }

    /// The language that an `Accept-Language` header asks for with the highest weight (RFC 9110 12.5.4), or `default` when there is no
    /// header or it names none of ours.
    #[must_use]
    pub fn from_accept_language(header: Option<&str>, default: Self) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for item in header.unwrap_or_default().split(',') {
            let mut parts = item.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts
                .find_map(|p| {
                    p.trim()
                        .strip_prefix("q=")
                        .map(|q| q.trim().parse::<f32>().unwrap_or(0.0))
                })
                .unwrap_or(1.0);
            let language = match tag
                .split(['-', '_'])
                .next()
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("*") => default,
                Some(code) => match code.parse() {
                    Ok(language) => language,
                    Err(UnknownLanguage) => continue,
                },
                None => continue,
            };
            if weight > 0.0 && best.is_none_or(|(w, _)| weight > w) {
                best = Some((weight, language));
            }
        }
        best.map_or(default, |(_, language)| language)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "fa" => Ok(Self::Fa),
            "fr" => Ok(Self::Fr),
            "en" => Ok(Self::En),
            _ => Err(UnknownLanguage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, Language::Fr)]
    #[case(Some(""), Language::Fr)]
    #[case(Some("de, ja;q=0.5"), Language::Fr)]
    #[case(Some("fa-IR"), Language::Fa)]
    #[case(Some("en;q=0.4, fr;q=0.8"), Language::Fr)]
    #[case(Some("en-US,en;q=0.9,fa;q=0.8"), Language::En)]
    #[case(Some("fa;q=0, en;q=0.1"), Language::En)]
    #[case(Some("*, en;q=0.1"), Language::Fr)]
    fn the_heaviest_known_language_wins(#[case] header: Option<&str>, #[case] expected: Language) {
        assert_eq!(
            Language::from_accept_language(header, Language::Fr),
            expected
        );
    }
}

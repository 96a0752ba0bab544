//! Field checks in the words that clients of Django REST Framework read.

use common_types::Language;
use service_http::text::{self, Text};
use service_http::{ApiError, FieldErrors};

/// Collects what is wrong with which field.
#[derive(Debug, Default)]
pub struct Errors(FieldErrors);

impl Errors {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message.
    pub fn add(&mut self, field: &str, message: impl Into<Text>) {
        self.0
            .entry(field.to_owned())
            .or_default()
            .push(message.into());
    }

    /// A text of at most `max` characters without control characters, trimmed; may be empty.
    pub fn text(&mut self, field: &str, value: Option<String>, max: usize) -> Option<String> {
        let value = value?.trim().to_owned();
        if value.chars().count() > max {
            self.add(field, text::too_long(max));
        }
        if value
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.add(field, "Null characters are not allowed.");
        }
        Some(value)
    }

    /// As [`Errors::text`], not blank.
    pub fn filled(&mut self, field: &str, value: Option<String>, max: usize) -> Option<String> {
        let value = self.text(field, value, max)?;
        if value.is_empty() {
            self.add(field, text::not_blank());
        }
        Some(value)
    }

    /// A text that must be there.
    pub fn required(&mut self, field: &str, value: Option<String>, max: usize) -> String {
        if value.is_none() {
            self.add(field, text::required());
        }
        self.filled(field, value, max).unwrap_or_default()
    }

    /// A slug: letters, digits, `-` and `_`.
    pub fn slug(&mut self, field: &str, value: Option<String>, max: usize) -> Option<String> {
        let value = self.filled(field, value, max)?;
        if !value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            self.add(
                field,
                Text::i18n(
                    "اسلاگ باید فقط از حروف انگلیسی، رقم، خط تیره و زیرخط باشد.",
                    "Ce champ ne doit contenir que des lettres, des nombres, des tirets bas _ et des traits d'union.",
                    "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.",
                ),
            );
        }
        Some(value)
    }

    /// An e-mail address, or nothing.
    pub fn email(&mut self, field: &str, value: Option<String>) -> Option<String> {
        let value = self.text(field, value, 254)?;
        if !is_email(&value) {
            self.add(
                field,
                Text::i18n(
                    "نشانی ایمیل معتبری وارد کنید.",
                    "Saisissez une adresse e-mail valide.",
                    "Enter a valid email address.",
                ),
            );
        }
        Some(value)
    }

    /// `Ok` when nothing is wrong.
    ///
    /// # Errors
    /// 400 with every message.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid().fields(self.0))
        }
    }
}

/// Whether a text is an e-mail address or empty.
#[must_use]
pub fn is_email(text: &str) -> bool {
    text.is_empty()
        || text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && domain.contains('.')
                && !domain.starts_with('.')
                && !domain.ends_with('.')
                && !text.contains(char::is_whitespace)
                && !domain.contains('@')
        })
}

/// A shared text as the literal of one system's contract, whatever the caller's language (decisions.md 26).
#[must_use]
pub fn literal(text: &Text, language: Language) -> Text {
    Text::Literal(text.in_language(language).to_owned())
}

/// `Invalid pk "99" - object does not exist.`
#[must_use]
pub fn missing_object(pk: &str) -> Text {
    Text::i18n(
        format!("شناسهٔ «{pk}» نامعتبر است؛ چنین موردی نیست."),
        format!("Clé primaire « {pk} » non valide - l'objet n'existe pas."),
        format!("Invalid pk \"{pk}\" - object does not exist."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_and_slugs() {
        for (text, right) in [
            ("", true),
            ("a@b.ir", true),
            ("a@b", false),
            ("a b@c.ir", false),
            ("@b.ir", false),
        ] {
            let mut errors = Errors::new();
            errors.email("email", Some(text.to_owned()));
            assert_eq!(errors.into_result().is_ok(), right, "{text}");
        }
        for (text, right) in [
            ("tehran-1", true),
            ("a_b", true),
            ("a b", false),
            ("کلینیک", false),
            ("", false),
        ] {
            let mut errors = Errors::new();
            errors.slug("slug", Some(text.to_owned()), 100);
            assert_eq!(errors.into_result().is_ok(), right, "{text}");
        }
    }
}

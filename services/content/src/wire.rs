//! Small things of the bare tree's wire: filters, field checks, members that may be absent or null.

use serde::{Deserialize, Deserializer};
use service_http::{ApiError, FieldErrors, PageQuery, Text, text};

/// For `Option<Option<T>>`: absent is `None`, null is `Some(None)`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Collects what is wrong with a request's fields.
#[derive(Debug, Default)]
pub(crate) struct Checks(FieldErrors);

impl Checks {
    /// Text that must not be blank nor longer than `max` characters.
    pub(crate) fn text(&mut self, field: &str, value: &str, max: usize) {
        if value.trim().is_empty() {
            self.add(field, text::not_blank());
        }
        self.length(field, value, max);
    }

    /// Text that may be empty and is not longer than `max` characters.
    pub(crate) fn length(&mut self, field: &str, value: &str, max: usize) {
        if value.chars().count() > max {
            self.add(field, text::too_long(max));
        }
        if value.contains('\0') {
            self.add(field, "Null characters are not allowed.");
        }
    }

    /// Letters, digits, `-`, `_`; at most 100.
    pub(crate) fn slug(&mut self, field: &str, value: &str) {
        self.text(field, value, 100);
        if !value.is_empty()
            && !value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        {
            self.add(field, "Enter a valid \u{201c}slug\u{201d} consisting of letters, numbers, underscores or hyphens.");
        }
    }

    /// One of `choices`.
    pub(crate) fn choice(&mut self, field: &str, value: &str, choices: &[&str]) {
        if !choices.contains(&value) {
            self.add(field, text::not_a_choice(value));
        }
    }

    /// A number within bounds.
    pub(crate) fn range(&mut self, field: &str, value: i64, min: i64, max: i64) {
        if value < min {
            self.add(
                field,
                Text::from(format!(
                    "Ensure this value is greater than or equal to {min}."
                )),
            );
        } else if value > max {
            self.add(
                field,
                Text::from(format!("Ensure this value is less than or equal to {max}.")),
            );
        }
    }

    pub(crate) fn add(&mut self, field: &str, message: impl Into<Text>) {
        self.0
            .entry(field.to_owned())
            .or_default()
            .push(message.into());
    }

    /// # Errors
    /// 400 with every message.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::invalid().fields(self.0))
        }
    }
}

/// The paging parameters; as texts, because a flattened query has no other types.
#[derive(Debug, Deserialize)]
pub(crate) struct PageFields {
    page: Option<String>,
    page_size: Option<String>,
    search: Option<String>,
    ordering: Option<String>,
}

impl PageFields {
    /// # Errors
    /// 404 for a page that is no number, as Django REST Framework answers.
    pub(crate) fn parse(&self) -> Result<PageQuery, ApiError> {
        let invalid = |_| ApiError::not_found("request.page", "Invalid page.");
        Ok(PageQuery {
            page: self
                .page
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(invalid)?,
            page_size: self.page_size.as_deref().and_then(|size| size.parse().ok()),
            search: self.search.clone(),
            ordering: self.ordering.clone(),
        })
    }
}

/// `?workspace=5`; what is no number names nothing that exists.
pub(crate) fn number_filter(
    field: &'static str,
    value: Option<&str>,
) -> Result<Option<i64>, ApiError> {
    match value.map(str::trim).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => value.parse().map(Some).map_err(|_| no_choice(field)),
    }
}

/// `?is_active=true`, in Django's spellings; anything else does not filter, as django-filter does it.
pub(crate) fn bool_filter(value: Option<&str>) -> Option<bool> {
    match value {
        Some("true" | "True" | "1") => Some(true),
        Some("false" | "False" | "0") => Some(false),
        _ => None,
    }
}

/// `?status=draft`.
pub(crate) fn choice_filter<'v>(
    field: &'static str,
    value: Option<&'v str>,
    choices: &[&str],
) -> Result<Option<&'v str>, ApiError> {
    match value.filter(|value| !value.is_empty()) {
        Some(value) if !choices.contains(&value) => Err(ApiError::invalid().field(
            field,
            format!("Select a valid choice. {value} is not one of the available choices."),
        )),
        value => Ok(value),
    }
}

/// 400 of django-filter for a foreign key that names nothing.
pub(crate) fn no_choice(field: &'static str) -> ApiError {
    ApiError::invalid().field(
        field,
        "Select a valid choice. That choice is not one of the available choices.",
    )
}

/// 400 of Django REST Framework for a foreign key in a body that names nothing.
pub(crate) fn invalid_pk(field: &'static str, number: i64) -> ApiError {
    ApiError::invalid().field(
        field,
        format!("Invalid pk \"{number}\" - object does not exist."),
    )
}

/// `%text%` for ILIKE, with the wildcards of the caller's text taken literally.
pub(crate) fn like(text: &str) -> String {
    format!(
        "%{}%",
        text.replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_the_caller_are_literal() {
        assert_eq!(like("50%_\\"), "%50\\%\\_\\\\%");
    }

    #[test]
    fn slugs_are_plain() {
        for (slug, good) in [("a-b_1", true), ("", false), ("a b", false), ("سلام", false)] {
            let mut checks = Checks::default();
            checks.slug("slug", slug);
            assert_eq!(checks.finish().is_ok(), good, "{slug}");
        }
    }
}

//! What an endpoint shall be, and what of it is refused.

use serde_json::{Value, json};
use service_http::{ApiError, Text, text};
use uuid::Uuid;

use super::scheme::GenericOptions;

/// What an endpoint shall be; `None` keeps what it is, or takes the default.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) provider: Option<Uuid>,
    pub(crate) name: Option<String>,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) secret_key: Option<String>,
    pub(crate) events: Option<Vec<String>>,
    pub(crate) is_active: Option<bool>,
    pub(crate) retry_count: Option<i32>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) scheme: Option<String>,
    pub(crate) scheme_options: Option<Value>,
    pub(crate) tolerance_seconds: Option<Option<i32>>,
    pub(crate) legacy_replies: Option<bool>,
}

/// The refusals of a request, field by field.
#[derive(Default)]
pub(super) struct Refusals(pub(super) Option<ApiError>);

impl Refusals {
    pub(super) fn add(&mut self, field: &str, message: impl Into<Text>) {
        let known = self.0.take().unwrap_or_else(ApiError::invalid);
        self.0 = Some(known.field(field, message));
    }
}

pub(super) fn check(wanted: &Wanted) -> Result<(), ApiError> {
    let mut refusals = Refusals::default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
    if let Some(url) = &wanted.endpoint_url
        && (url.trim_matches('/').is_empty() || url.len() > 255 || !url.chars().all(allowed))
    {
        refusals.add("endpoint_url", "Enter a valid value.");
    }
    for (field, value, longest) in [
        ("name", &wanted.name, 100),
        ("secret_key", &wanted.secret_key, 255),
    ] {
        match value {
            Some(value) if value.trim().is_empty() => refusals.add(field, text::not_blank()),
            Some(value) if value.chars().count() > longest => {
                refusals.add(field, text::too_long(longest))
            }
            _ => {}
        }
    }
    if wanted
        .events
        .as_ref()
        .is_some_and(|events| events.len() > 200 || events.iter().any(|e| e.len() > 128))
    {
        refusals.add(
            "events",
            "At most 200 names of at most 128 characters are expected.",
        );
    }
    if wanted
        .retry_count
        .is_some_and(|count| !(0..=20).contains(&count))
    {
        refusals.add("retry_count", "0 to 20 are expected.");
    }
    if wanted
        .timeout_seconds
        .is_some_and(|seconds| !(1..=300).contains(&seconds))
    {
        refusals.add("timeout_seconds", "1 to 300 are expected.");
    }
    if wanted
        .tolerance_seconds
        .flatten()
        .is_some_and(|seconds| !(1..=86_400).contains(&seconds))
    {
        refusals.add("tolerance_seconds", "1 to 86400 are expected.");
    }
    let options = wanted.scheme_options.clone().unwrap_or_else(|| json!({}));
    match wanted.scheme.as_deref() {
        None | Some("auto" | "x_signature" | "standard" | "stripe" | "wave") => {}
        Some("generic") => match serde_json::from_value::<GenericOptions>(options) {
            Ok(options) if options.is_sound() => {}
            Ok(_) => refusals.add("scheme_options", text::invalid_value()),
            Err(error) => refusals.add("scheme_options", error.to_string()),
        },
        Some(other) => refusals.add("scheme", text::not_a_choice(other)),
    }
    if wanted.scheme.is_none() && wanted.scheme_options.is_some() {
        refusals.add("scheme_options", "They are given together with scheme.");
    }
    refusals.0.map_or(Ok(()), Err)
}

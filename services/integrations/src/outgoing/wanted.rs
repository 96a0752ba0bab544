//! What an endpoint shall be, and what of it is refused.

use diesel_async::AsyncPgConnection;
use service_auth::tokens::random_bytes;
use service_http::{Text, text};
use uuid::Uuid;

use super::{error::OutgoingError, event_type, event_type_store, model, words};
use crate::AppState;

/// What an endpoint shall be; `None` keeps what it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) event_types: Option<Vec<String>>,
    pub(crate) ordered: Option<bool>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) notify_email: Option<String>,
    pub(crate) is_active: Option<bool>,
}

pub(super) fn invalid(field: &'static str, message: Text) -> OutgoingError {
    OutgoingError::Invalid { field, message }
}

impl Wanted {
    pub(super) fn check(mut self, state: &AppState) -> Result<Self, OutgoingError> {
        if let Some(name) = &mut self.name {
            *name = name.trim().to_owned();
            if name.is_empty() {
                return Err(invalid("name", text::not_blank()));
            }
            if name.chars().count() > 100 {
                return Err(invalid("name", text::too_long(100)));
            }
        }
        if let Some(url) = &mut self.url {
            if url.len() > 2_048 {
                return Err(invalid("url", text::too_long(2_048)));
            }
            let mut checked = state
                .poster
                .rules()
                .check(url)
                .map_err(|forbidden| invalid("url", words::forbidden(&forbidden)))?;
            checked.set_fragment(None);
            *url = checked.into();
        }
        if let Some(types) = &mut self.event_types {
            types.sort_unstable();
            types.dedup();
            if types.len() > 300 {
                return Err(invalid("event_types", words::at_most_names(300)));
            }
        }
        if self
            .timeout_seconds
            .is_some_and(|seconds| !(1..=30).contains(&seconds))
        {
            return Err(invalid("timeout_seconds", words::between(1, 30)));
        }
        if let Some(email) = &mut self.notify_email {
            *email = email.trim().to_owned();
            if !email.is_empty() && (email.len() > 254 || email.parse::<lettre::Address>().is_err())
            {
                return Err(invalid("notify_email", words::email()));
            }
        }
        Ok(self)
    }
}

/// Refuses names that are neither the platform's nor the endpoint's owner's.
///
/// # Errors
/// [`OutgoingError`].
pub(super) async fn check_types(
    conn: &mut AsyncPgConnection,
    organization: Option<Uuid>,
    types: Option<&[String]>,
) -> Result<(), OutgoingError> {
    let own: Vec<String> = types
        .unwrap_or_default()
        .iter()
        .filter(|name| !event_type::is_known(name))
        .cloned()
        .collect();
    if own.is_empty() {
        return Ok(());
    }
    match event_type_store::find_unknown(conn, organization, &own).await? {
        None => Ok(()),
        Some(unknown) => Err(invalid("event_types", text::not_a_choice(&unknown))),
    }
}

pub(super) fn secret_or_new(given: Option<String>) -> Result<String, OutgoingError> {
    match given {
        None => Ok(model::new_secret(random_bytes())),
        Some(secret) if model::key_of(&secret).is_some() => Ok(secret),
        Some(_) => Err(invalid("secret", words::secret())),
    }
}

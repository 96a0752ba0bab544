//! Refusals of the routes of outgoing webhooks.

use service_http::{ApiError, Text};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error("no such {0}")]
    Missing(&'static str),
    #[error("{field}: {}", message.in_language(common_types::Language::En))]
    Invalid { field: &'static str, message: Text },
    #[error("the endpoint is switched off")]
    Disabled,
    #[error("an organisation may have {0} endpoints")]
    TooMany(i64),
    #[error("the event type is there already")]
    Known,
    #[error("an endpoint names the event type")]
    Subscribed,
    #[error("an organisation may have {0} event types")]
    TooManyTypes(i64),
    #[error("the event id was used with another content")]
    OtherContent,
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<service_db::DbError> for OutgoingError {
    fn from(error: service_db::DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for OutgoingError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<OutgoingError> for ApiError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Missing(what) => Self::no_match("outgoing.not_found", what),
            OutgoingError::Invalid { field, message } => Self::invalid().field(field, message),
            OutgoingError::Disabled => Self::conflict(
                "outgoing.endpoint_disabled",
                Text::i18n(
                    "این نشانی غیرفعال است؛ نخست آن را فعال کنید.",
                    "Ce point d'accès est désactivé ; activez-le d'abord.",
                    "The endpoint is switched off; switch it on first.",
                ),
            ),
            OutgoingError::TooMany(limit) => Self::conflict(
                "outgoing.too_many_endpoints",
                Text::i18n(
                    format!("هر سازمان حداکثر {limit} نشانی دارد."),
                    format!("Une organisation a au plus {limit} points d'accès."),
                    format!("An organisation may have at most {limit} endpoints."),
                ),
            ),
            OutgoingError::Known => Self::conflict(
                "outgoing.event_type_exists",
                Text::i18n(
                    "این نوع رویداد از پیش هست.",
                    "Ce type d'événement existe déjà.",
                    "The event type is there already.",
                ),
            ),
            OutgoingError::Subscribed => Self::conflict(
                "outgoing.event_type_in_use",
                Text::i18n(
                    "نشانی‌ای این نوع رویداد را می‌خواهد؛ نخست آن را از نشانی بردارید.",
                    "Un point d'accès demande ce type d'événement ; retirez-le d'abord.",
                    "An endpoint wants the event type; take it from the endpoint first.",
                ),
            ),
            OutgoingError::TooManyTypes(limit) => Self::conflict(
                "outgoing.too_many_event_types",
                Text::i18n(
                    format!("هر سازمان حداکثر {limit} نوع رویداد از خود دارد."),
                    format!("Une organisation a au plus {limit} types d'événement à elle."),
                    format!("An organisation may have at most {limit} event types of its own."),
                ),
            ),
            OutgoingError::OtherContent => Self::conflict(
                "outgoing.event_id_reused",
                Text::i18n(
                    "این شناسهٔ رویداد پیش‌تر با محتوای دیگری آمده است.",
                    "Cet identifiant d'événement a déjà servi pour un autre contenu.",
                    "The event id was used with another content.",
                ),
            ),
            OutgoingError::Unexpected(cause) => Self::internal(cause),
        }
    }
}

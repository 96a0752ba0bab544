//! Refusals of contents.

use serde_json::json;
use service_db::DbError;
use service_http::{ApiError, text};

use crate::wire::invalid_pk;

/// Why a content was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    /// No content of that number in the organisation.
    #[error("no such content")]
    NotFound,
    /// No project of that number in the organisation.
    #[error("no such project")]
    UnknownProject(i64),
    /// No prompt of that number in the organisation.
    #[error("no such prompt")]
    UnknownPrompt(i64),
    /// A writer may do this only with own drafts, or not at all.
    #[error("not the caller's to change")]
    NotYours,
    /// A job writes it at the moment.
    #[error("generation is in progress")]
    InProgress,
    /// The status cannot be set by hand.
    #[error("status cannot be set")]
    BadStatus(&'static str),
    /// Approving needs review.
    #[error("not in review")]
    NotInReviewToApprove,
    /// Rejecting needs review.
    #[error("not in review")]
    NotInReviewToReject,
    /// The author cannot approve while somebody else could.
    #[error("the author cannot approve")]
    SelfApproval,
    /// Placeholders of the prompt without a value.
    #[error("placeholders without a value")]
    MissingVariables(Vec<String>),
    /// A usage limit is spent; the text names it.
    #[error("usage limit exceeded")]
    LimitExceeded(String),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A statement failed.
    #[error(transparent)]
    Query(diesel::result::Error),
}

impl From<diesel::result::Error> for ContentError {
    fn from(error: diesel::result::Error) -> Self {
        match service_db::violated(&error) {
            Some("ai_jobs_one_open_per_content") => Self::InProgress,
            _ => Self::Query(error),
        }
    }
}

impl From<ContentError> for ApiError {
    fn from(error: ContentError) -> Self {
        let literal = |code, text: &'static str| {
            Self::bad_request(code, text).contract(json!({ "error": text }))
        };
        match error {
            ContentError::NotFound => Self::no_match("content.not_found", "Content"),
            ContentError::UnknownProject(number) => invalid_pk("project", number),
            ContentError::UnknownPrompt(number) => invalid_pk("prompt", number),
            ContentError::NotYours => Self::permission_denied(),
            ContentError::InProgress => Self::conflict("content.in_progress", "")
                .i18n(
                    "تولید این محتوا در جریان است.",
                    "Ce contenu est en cours de génération.",
                    "Content generation is in progress.",
                )
                .contract(json!({"error": "Content generation is in progress"})),
            ContentError::BadStatus(status) => {
                Self::invalid().field("status", text::not_a_choice(status))
            }
            ContentError::NotInReviewToApprove => literal(
                "content.not_in_review",
                "Content must be in review status to approve",
            ),
            ContentError::NotInReviewToReject => literal(
                "content.not_in_review",
                "Content must be in review status to reject",
            ),
            ContentError::SelfApproval => Self::forbidden("content.self_approval", "")
                .i18n(
                    "نویسنده نمی‌تواند محتوای خود را تأیید کند.",
                    "L'auteur ne peut approuver son propre contenu.",
                    "The author cannot approve their own content.",
                )
                .contract(json!({"error": "The author cannot approve their own content"})),
            ContentError::MissingVariables(names) => {
                names.into_iter().fold(Self::invalid(), |error, name| {
                    error.field("prompt_variables", format!("Missing value for {{{name}}}."))
                })
            }
            ContentError::LimitExceeded(detail) => Self::new(
                actix_web::http::StatusCode::PAYMENT_REQUIRED,
                "usage.limit_exceeded",
                detail.clone(),
            )
            .contract(json!({"error": "Usage limit exceeded", "detail": detail})),
            ContentError::Database(error) => error.into(),
            ContentError::Query(error) => error.into(),
        }
    }
}

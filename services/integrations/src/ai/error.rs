//! Refusals of the AI domain.

use common_types::internal::integrations::AiLimitExceeded;

use crate::providers::ai::TextError;

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AiError {
    #[error("a limit is spent")]
    LimitSpent(Box<AiLimitExceeded>),
    #[error("a rule allows no more for {0} s")]
    Throttled(u64),
    #[error("the recording is larger than {0} bytes")]
    TooLarge(u64),
    #[error("no provider")]
    NoProvider,
    #[error("the provider {0} is not known or not active")]
    UnknownProvider(String),
    #[error("the first call with this key is still running")]
    InFlight,
    #[error("the call with this key was made and its answer is no longer kept")]
    AnswerGone,
    #[error("the provider did not give a text: {0}")]
    Provider(#[from] TextError),
    #[error("invalid {0}: {1}")]
    Invalid(&'static str, String),
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<service_db::DbError> for AiError {
    fn from(error: service_db::DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for AiError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

//! How errors of the platform's parts become answers.

use super::ApiError;
use crate::text::Text;

impl From<anyhow::Error> for ApiError {
    fn from(cause: anyhow::Error) -> Self {
        Self::internal(cause)
    }
}

impl From<service_db::DbError> for ApiError {
    /// A database that cannot be reached is 503 with `Retry-After`; the cause is logged.
    fn from(cause: service_db::DbError) -> Self {
        Self::unavailable(
            "database.unavailable",
            Text::i18n(
                "سرویس موقتاً در دسترس نیست.",
                "Service momentanément indisponible.",
                "The service is temporarily unavailable.",
            ),
        )
        .retry_after(2)
        .caused_by(anyhow::Error::new(cause))
    }
}

impl From<diesel::result::Error> for ApiError {
    fn from(cause: diesel::result::Error) -> Self {
        Self::internal(anyhow::Error::new(cause))
    }
}

impl From<garde::Report> for ApiError {
    /// Validation messages of a request type, by their paths.
    fn from(report: garde::Report) -> Self {
        report
            .iter()
            .fold(Self::invalid(), |error, (path, problem)| {
                error.field(path.to_string(), problem.message().to_owned())
            })
    }
}

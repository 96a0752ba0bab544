//! What a caller hears of an error that no domain names.

use service_db::DbError;
use service_http::ApiError;

/// 503 with `Retry-After` when the database could not be reached or had no connection free in time, else 500.
pub(crate) fn unexpected(error: anyhow::Error) -> ApiError {
    match error.downcast::<DbError>() {
        Ok(error) => error.into(),
        Err(error) => ApiError::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overloaded_database_is_503_and_a_mistake_500() {
        let full = anyhow::Error::new(DbError::Timeout(5_000));
        assert_eq!(unexpected(full).status(), 503);
        assert_eq!(unexpected(anyhow::anyhow!("a mistake")).status(), 500);
    }
}

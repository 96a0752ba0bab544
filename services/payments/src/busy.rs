//! A database that has no time: nothing was done, and the same request may be sent again.

use diesel::result::Error as DieselError;
use service_db::DbError;
use service_http::ApiError;

/// The words with which PostgreSQL ends a statement that waited for a lock, or ran, for too long (55P03, 57014); diesel
/// does not name them.
const OUT_OF_TIME: &str = "canceling statement due to";

/// What the caller is told: 503 when the database was not reached or had no time, else an opaque 500.
pub(crate) fn answer(error: DbError) -> ApiError {
    let out_of_time = match &error {
        DbError::Query(DieselError::DatabaseError(_, said)) => {
            said.message().starts_with(OUT_OF_TIME)
        }
        DbError::Query(_) | DbError::Timeout(_) | DbError::Connect(_) => false,
    };
    if out_of_time {
        tracing::warn!(%error, "the database had no time");
        DbError::Timeout(0).into()
    } else if error.is_unavailable() {
        error.into()
    } else {
        ApiError::internal(error)
    }
}

//! Each try at each provider.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::message_attempts;

/// One try at one provider.
#[derive(Clone, Insertable)]
#[diesel(table_name = message_attempts)]
pub(crate) struct NewAttempt {
    pub(crate) id: Uuid,
    pub(crate) message_id: Uuid,
    pub(crate) provider_slug: String,
    pub(crate) outcome: &'static str,
    pub(crate) error_code: Option<String>,
    pub(crate) duration_ms: i32,
    pub(crate) attempted_at: DateTime<Utc>,
}

pub(crate) async fn insert_attempts(
    conn: &mut AsyncPgConnection,
    attempts: &[NewAttempt],
) -> QueryResult<usize> {
    diesel::insert_into(message_attempts::table)
        .values(attempts.to_vec())
        .execute(conn)
        .await
}

/// Tries of a message, oldest first.
pub(crate) async fn list_attempts(
    conn: &mut AsyncPgConnection,
    message_id: Uuid,
) -> QueryResult<Vec<AttemptRow>> {
    message_attempts::table
        .filter(message_attempts::message_id.eq(message_id))
        .order((message_attempts::attempted_at, message_attempts::id))
        .select(AttemptRow::as_select())
        .load(conn)
        .await
}

/// A try as shown.
#[derive(Clone, Debug, Queryable, Selectable, serde::Serialize, utoipa::ToSchema)]
#[diesel(table_name = message_attempts)]
pub(crate) struct AttemptRow {
    #[serde(rename = "provider")]
    provider_slug: String,
    outcome: String,
    error_code: Option<String>,
    duration_ms: i32,
    attempted_at: DateTime<Utc>,
}

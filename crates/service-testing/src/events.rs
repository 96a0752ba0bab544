use chrono::{DateTime, Utc};
use common_types::events::Envelope;
use diesel::sql_types::{BigInt, Int4, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use service_db::Db;
use uuid::Uuid;

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Int4)]
    version: i32,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = SqlUuid)]
    aggregate_id: Uuid,
    #[diesel(sql_type = BigInt)]
    aggregate_version: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    organization_id: Option<Uuid>,
    #[diesel(sql_type = Jsonb)]
    payload: serde_json::Value,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    occurred_at: DateTime<Utc>,
}

/// Every event that the service has committed to its outbox, oldest first, sent or not.
///
/// # Panics
/// When the database does not answer.
pub async fn published_events(db: &Db) -> Vec<Envelope> {
    let mut conn = db.get().await.expect("database");
    let rows: Vec<Row> = diesel::sql_query("SELECT * FROM outbox_events ORDER BY id")
        .load(&mut conn)
        .await
        .expect("outbox");
    rows.into_iter()
        .map(|row| Envelope {
            id: row.id,
            name: row.name,
            version: u16::try_from(row.version).expect("small version"),
            source: row.source,
            occurred_at: row.occurred_at,
            organization_id: row.organization_id,
            aggregate_id: row.aggregate_id,
            aggregate_version: row.aggregate_version,
            traceparent: row.traceparent,
            payload: row.payload,
        })
        .collect()
}

/// Events that are neither with the broker nor at rest: (unpublished, dead letters). A worker's
/// test ends with (0, 0).
///
/// # Panics
/// When the database does not answer.
pub async fn unsettled_events(db: &Db) -> (i64, i64) {
    let status = service_events::outbox_status(db).await.expect("outbox");
    (status.unpublished, status.dead_letters)
}

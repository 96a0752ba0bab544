use std::time::Duration;

use diesel::sql_types::{BigInt, Double};
use diesel_async::RunQueryDsl;
use service_db::{Db, DbError};
use tokio_util::sync::CancellationToken;

/// How far behind publishing and consuming are.
#[derive(Debug, Clone, Copy, PartialEq, diesel::QueryableByName)]
pub struct OutboxStatus {
    /// Committed events that the broker does not have yet.
    #[diesel(sql_type = BigInt)]
    pub unpublished: i64,
    /// Age of the oldest of them in seconds; 0 when there is none.
    #[diesel(sql_type = Double)]
    pub lag_seconds: f64,
    /// Dead letters not yet replayed.
    #[diesel(sql_type = BigInt)]
    pub dead_letters: i64,
}

/// Reads the numbers of one service's database.
///
/// # Errors
/// When the database does not answer.
pub async fn outbox_status(db: &Db) -> Result<OutboxStatus, DbError> {
    let mut conn = db.get().await?;
    let status = diesel::sql_query(
        "SELECT count(*) AS unpublished, \
         coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::float8 AS lag_seconds, \
         (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters \
         FROM outbox_events WHERE published_at IS NULL",
    )
    .get_result(&mut conn)
    .await?;
    Ok(status)
}

/// Publishes the numbers as metrics every five seconds.
pub(crate) async fn watch(db: Db, service: &'static str, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match outbox_status(&db).await {
            Ok(status) => publish(service, &status),
            Err(error) => tracing::debug!(%error, "outbox numbers unknown"),
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    }
}

fn publish(service: &'static str, status: &OutboxStatus) {
    // Counts far beyond 2^52 do not occur.
    #[allow(clippy::cast_precision_loss)]
    let (unpublished, dead) = (status.unpublished as f64, status.dead_letters as f64);
    metrics::gauge!("outbox_unpublished", "service" => service).set(unpublished);
    metrics::gauge!("outbox_lag_seconds", "service" => service).set(status.lag_seconds.max(0.0));
    metrics::gauge!("dead_letters_open", "service" => service).set(dead);
}

/// Deletes what is old, in batches so that no statement runs long. Published events are kept 7 days,
/// inbox rows 30, well beyond any redelivery or replay, replayed dead letters 90. Answers how many
/// rows went. A job of every worker.
///
/// # Errors
/// When the database does not answer; what is left goes next time.
pub async fn sweep(db: &Db) -> Result<usize, DbError> {
    let mut gone = 0;
    for (table, old) in [
        ("outbox_events", "published_at < now() - interval '7 days'"),
        ("inbox_events", "received_at < now() - interval '30 days'"),
        ("dead_letters", "replayed_at < now() - interval '90 days'"),
    ] {
        let sql = format!(
            "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {old} \
             LIMIT {SWEEP_BATCH}))"
        );
        loop {
            let mut conn = db.get().await?;
            let deleted = diesel::sql_query(&sql).execute(&mut conn).await?;
            gone += deleted;
            if deleted < SWEEP_BATCH {
                break;
            }
        }
    }
    Ok(gone)
}

/// Rows deleted by one statement.
const SWEEP_BATCH: usize = 5_000;

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

/// Publishes the numbers as metrics every five seconds, and sweeps what is old every hour.
pub(crate) async fn watch(db: Db, service: &'static str, cancel: CancellationToken) {
    let mut ticks: u32 = 0;
    while !cancel.is_cancelled() {
        match outbox_status(&db).await {
            Ok(status) => publish(service, &status),
            Err(error) => tracing::debug!(%error, "outbox numbers unknown"),
        }
        if ticks.is_multiple_of(720)
            && let Err(error) = sweep(&db).await
        {
            tracing::warn!(%error, "old events not swept");
        }
        ticks = ticks.wrapping_add(1);
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

/// Published events are kept 7 days; inbox rows 30, well beyond any redelivery or replay;
/// idempotency keys 7 days; replayed dead letters 90.
async fn sweep(db: &Db) -> Result<(), DbError> {
    let mut conn = db.get().await?;
    for sql in [
        "DELETE FROM outbox_events WHERE id IN (SELECT id FROM outbox_events \
         WHERE published_at < now() - interval '7 days' LIMIT 10000)",
        "DELETE FROM inbox_events WHERE received_at < now() - interval '30 days'",
        "DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'",
        "DELETE FROM dead_letters WHERE replayed_at < now() - interval '90 days'",
    ] {
        diesel::sql_query(sql).execute(&mut conn).await?;
    }
    Ok(())
}

//! Chains committed rows within a second.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::clock::SharedClock;
use diesel::{
    ExpressionMethods, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
    QueryableByName, SelectableHelper,
    dsl::{exists, not},
    sql_types::Bool,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use service_db::{Db, DbError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    chain::{EntryRow, GENESIS, entries_hash, seal_hash},
    schema::{audit_entries, audit_sealed_entries, audit_seals},
};

/// Between two looks for new rows.
const EVERY: Duration = Duration::from_secs(1);
/// Most rows under one seal.
const BATCH: i64 = 1_000;
/// Rows older than this are looked for only now and then.
const RECENT: TimeDelta = TimeDelta::minutes(15);
/// Every so many looks go over all rows.
const FULL_EVERY: u32 = 600;
/// The lock that makes one chain ("audit" in ASCII).
const CHAIN_LOCK: i64 = 0x0061_7564_6974;

/// Seals rows as they come; one per worker, any number of workers.
#[derive(Clone)]
pub struct Sealer {
    db: Db,
    clock: SharedClock,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer of the service's own database.
    pub fn new(db: Db, clock: SharedClock) -> Self {
        Self { db, clock }
    }

    /// Seals until `cancel`, then once more.
    pub async fn run(self, cancel: CancellationToken) {
        let mut looks = 0_u32;
        let mut anchored = None;
        loop {
            let now = self.clock.now();
            let since = (!looks.is_multiple_of(FULL_EVERY)).then(|| now - RECENT);
            match self.seal_all(since, now).await {
                Ok(()) => {
                    if anchored != Some(now.date_naive()) && self.anchor().await.is_ok() {
                        anchored = Some(now.date_naive());
                    }
                }
                Err(error) => {
                    metrics::counter!("audit_seal_failures_total").increment(1);
                    tracing::warn!(%error, "audit rows not sealed yet");
                }
            }
            if cancel.is_cancelled() {
                return;
            }
            looks = looks.wrapping_add(1);
            tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(EVERY) => {} }
        }
    }

    async fn seal_all(
        &self,
        since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        let mut conn = self.db.get().await?;
        while seal_pending(&mut conn, since, now).await?
            == usize::try_from(BATCH).unwrap_or(usize::MAX)
        {}
        Ok(())
    }

    /// The daily anchor outside the database: the newest seal goes to the log, which another
    /// system keeps, so that a chain rebuilt from scratch does not match.
    async fn anchor(&self) -> Result<(), DbError> {
        let mut conn = self.db.get().await?;
        if let Some((number, hash)) = last_seal(&mut conn).await? {
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            tracing::info!(target: "audit_anchor", number, hash, "audit chain anchor");
        }
        Ok(())
    }
}

/// Seals up to a thousand rows that no seal covers, looking at those since `since` or at all.
/// Answers how many; 0 also when another process is sealing.
///
/// # Errors
/// When the database does not answer.
pub async fn seal_pending(
    conn: &mut AsyncPgConnection,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    conn.transaction(async |conn| seal_batch(conn, since, now).await)
        .await
}

async fn seal_batch(
    conn: &mut AsyncPgConnection,
    since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let lock: Lock = diesel::sql_query(format!(
        "SELECT pg_try_advisory_xact_lock({CHAIN_LOCK}) AS taken"
    ))
    .get_result(conn)
    .await?;
    if !lock.taken {
        return Ok(0);
    }
    let entries = unsealed(conn, since).await?;
    if entries.is_empty() {
        return Ok(0);
    }
    let (last, previous) = last_seal(conn).await?.unwrap_or((0, GENESIS.to_vec()));
    let number = last + 1;
    // PostgreSQL keeps microseconds; the hash must be of what is kept.
    let sealed_at = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
    let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id).collect();
    let hash_of_entries = entries_hash(&entries);
    let hash = seal_hash(number, &ids, &hash_of_entries, &previous, sealed_at);
    diesel::insert_into(audit_seals::table)
        .values((
            audit_seals::number.eq(number),
            audit_seals::entry_ids.eq(&ids),
            audit_seals::entries_hash.eq(hash_of_entries.as_slice()),
            audit_seals::previous_hash.eq(&previous),
            audit_seals::hash.eq(hash.as_slice()),
            audit_seals::sealed_at.eq(sealed_at),
        ))
        .execute(conn)
        .await?;
    let covered: Vec<_> = ids
        .iter()
        .map(|id| {
            (
                audit_sealed_entries::entry_id.eq(*id),
                audit_sealed_entries::seal_number.eq(number),
            )
        })
        .collect();
    diesel::insert_into(audit_sealed_entries::table)
        .values(&covered)
        .execute(conn)
        .await?;
    Ok(ids.len())
}

async fn unsealed(
    conn: &mut AsyncPgConnection,
    since: Option<DateTime<Utc>>,
) -> QueryResult<Vec<EntryRow>> {
    let covered = audit_sealed_entries::table
        .filter(audit_sealed_entries::entry_id.eq(audit_entries::id))
        .select(audit_sealed_entries::entry_id.nullable());
    let mut query = audit_entries::table
        .filter(not(exists(covered)))
        .order((audit_entries::occurred_at, audit_entries::id))
        .limit(BATCH)
        .select(EntryRow::as_select())
        .into_boxed();
    if let Some(since) = since {
        query = query.filter(audit_entries::occurred_at.ge(since));
    }
    query.load(conn).await
}

async fn last_seal(conn: &mut AsyncPgConnection) -> QueryResult<Option<(i64, Vec<u8>)>> {
    audit_seals::table
        .order(audit_seals::number.desc())
        .select((audit_seals::number, audit_seals::hash))
        .first(conn)
        .await
        .optional()
}

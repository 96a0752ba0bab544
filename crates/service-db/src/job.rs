use std::time::Duration;

use chrono::{DateTime, Utc};
use common_types::clock::SharedClock;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{Conn, Db, DbError};

#[derive(diesel::QueryableByName)]
struct Taken {
    #[diesel(sql_type = Bool)]
    taken: bool,
}

#[derive(diesel::QueryableByName)]
struct Key {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

/// A lock that at most one connection to this database holds. It is given back by [`release`], or
/// by the end of its connection: dropping it without release closes the connection.
///
/// [`release`]: AdvisoryLock::release
pub struct AdvisoryLock {
    conn: Option<Conn>,
    key: i64,
}

impl std::fmt::Debug for AdvisoryLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvisoryLock")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl AdvisoryLock {
    /// Takes the lock of that name, or answers `None` when another holds it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_take(db: &Db, name: &str) -> Result<Option<Self>, DbError> {
        let mut conn = db.get().await?;
        let key = lock_key(&mut conn, name).await?;
        let answer: Taken = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS taken")
            .bind::<BigInt, _>(key)
            .get_result(&mut conn)
            .await?;
        // Made only when taken: dropping it would close a connection that the pool can use.
        Ok(answer.taken.then(|| Self {
            conn: Some(conn),
            key,
        }))
    }

    /// Gives the lock back and the connection to its pool.
    ///
    /// # Errors
    /// When the database does not answer; the lock then ends with the connection.
    pub async fn release(mut self) -> Result<(), DbError> {
        if let Some(mut conn) = self.conn.take() {
            let unlocked = diesel::sql_query("SELECT pg_advisory_unlock($1)")
                .bind::<BigInt, _>(self.key)
                .execute(&mut conn)
                .await;
            if let Err(error) = unlocked {
                drop(Conn::take(conn));
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            drop(Conn::take(conn));
        }
    }
}

/// The 64-bit key of a lock's name, computed by the server so that every process agrees.
pub(crate) async fn lock_key(conn: &mut AsyncPgConnection, name: &str) -> Result<i64, DbError> {
    let row: Key = diesel::sql_query("SELECT hashtextextended($1, 0) AS key")
        .bind::<Text, _>(name)
        .get_result(conn)
        .await?;
    Ok(row.key)
}

/// Runs `job` every `interval`, in one process at a time. The job is given the clock's time. Runs until its task is aborted.
///
/// A job's error is logged. After it, and after finding the lock taken, the next look is after 1, 2, 4 … seconds: whoever
/// holds the lock may be a process that died and whose connection the server still waits for.
pub async fn advisory_job<F, Fut>(
    db: Db,
    name: &'static str,
    interval: Duration,
    clock: SharedClock,
    job: F,
) where
    F: Fn(DateTime<Utc>) -> Fut + Send + Sync,
    Fut: Future<Output = anyhow::Result<()>> + Send,
{
    let lock_name = format!("job:{name}");
    let mut missed = 0;
    loop {
        let mut done = false;
        match AdvisoryLock::try_take(&db, &lock_name).await {
            Ok(Some(lock)) => {
                match job(clock.now()).await {
                    Ok(()) => done = true,
                    Err(error) => {
                        metrics::counter!("job_failures_total", "job" => name).increment(1);
                        tracing::error!(job = name, error = format!("{error:#}"), "job failed");
                    }
                }
                if let Err(error) = lock.release().await {
                    tracing::warn!(job = name, %error, "job lock not given back in words");
                }
            }
            Ok(None) => tracing::trace!(job = name, "another process runs this job"),
            Err(error) => tracing::warn!(job = name, %error, "job skipped: no database"),
        }
        missed = if done { 0 } else { missed + 1 };
        tokio::time::sleep(jittered(pause(interval, missed))).await;
    }
}

/// A turn that was missed is tried again after 1, 2, 4 … seconds, never later than the next one: a daily job must not lose a
/// day to a moment without database or to a runner that was killed.
fn pause(interval: Duration, missed: u32) -> Duration {
    match missed {
        0 => interval,
        n => interval.min(Duration::from_secs(1 << (n - 1).min(16))),
    }
}

/// The interval, up to a tenth longer, so that processes do not march in step.
fn jittered(interval: Duration) -> Duration {
    interval + interval.mul_f64(rand::random_range(0.0..0.1))
}

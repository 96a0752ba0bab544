use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::{
    connection::{Instrumentation, InstrumentationEvent},
    result::Error as DieselError,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, TransactionManager};

use crate::{
    Conn, Db, DbError,
    error::{is_conflict, is_connection_error},
};

/// How often a transaction that lost against a parallel one is run again.
const RETRIES: u32 = 5;
/// More dead pooled connections than any pool holds mean that the server is away.
const MAX_DEAD_CONNECTIONS: u32 = 100;

/// An async closure over a connection whose future may move between threads.
///
/// Every `async |conn| { … }` that *borrows* what it needs is one. It is called again when
/// PostgreSQL aborts the transaction, therefore it must not move its captures into the body.
pub trait TransactionBody<A, R>:
    AsyncFn(A) -> R + Fn(A) -> <Self as TransactionBody<A, R>>::Fut
{
    /// The future that the closure returns.
    type Fut: Future<Output = R>;
}

impl<F, A, Fut, R> TransactionBody<A, R> for F
where
    F: AsyncFn(A) -> R + Fn(A) -> Fut,
    Fut: Future<Output = R>,
{
    type Fut = Fut;
}

impl Db {
    /// Runs `body` in one transaction: committed when it answers `Ok`, rolled back when `Err`.
    ///
    /// When PostgreSQL aborts it in favour of a parallel transaction (40001, 40P01), the whole body
    /// runs again, up to five times with growing, jittered pauses. The body therefore must have no
    /// effect outside the connection; a network call has no place in it anyway.
    ///
    /// ```no_run
    /// # async fn f(db: &service_db::Db) -> Result<(), service_db::DbError> {
    /// use diesel_async::RunQueryDsl;
    /// let name = String::from("x");
    /// db.transaction(async |conn| {
    ///     diesel::sql_query("SELECT $1").bind::<diesel::sql_types::Text, _>(&name).execute(conn).await?;
    ///     Ok::<_, service_db::DbError>(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the body answers, or a [`DbError`] when no connection is free, or diesel's error when
    /// the transaction cannot begin or commit.
    pub async fn transaction<T, E, F>(&self, body: F) -> Result<T, E>
    where
        for<'r> F: AsyncFn(&'r mut AsyncPgConnection) -> Result<T, E>
            + TransactionBody<&'r mut AsyncPgConnection, Result<T, E>, Fut: Send>
            + Send
            + Sync,
        T: Send,
        E: From<DbError> + From<DieselError> + Send,
    {
        let watch = ConflictWatch::default();
        let mut conn = self.begin(&watch).await?;
        let mut attempt = 0;
        loop {
            let result = finish(&mut conn, &body).await;
            if result.is_ok() || !watch.seen() || attempt == RETRIES {
                conn.set_instrumentation(None::<Box<dyn Instrumentation>>);
                return result;
            }
            attempt += 1;
            metrics::counter!("db_transaction_retries_total").increment(1);
            tokio::time::sleep(pause(attempt)).await;
            watch.reset();
            Manager::begin_transaction(&mut *conn).await?;
        }
    }

    /// A connection with an open transaction. A pooled connection may have died unnoticed, after a
    /// restart of the server all of them; as nothing has happened yet, the next one is tried.
    async fn begin(&self, watch: &ConflictWatch) -> Result<Conn, DbError> {
        let mut tries = 0;
        loop {
            let mut conn = self.get().await?;
            conn.set_instrumentation(watch.clone());
            match Manager::begin_transaction(&mut *conn).await {
                Ok(()) => return Ok(conn),
                Err(error) if is_connection_error(&error) && tries < MAX_DEAD_CONNECTIONS => {
                    tries += 1;
                    drop(Conn::take(conn));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

async fn finish<T, E, F>(conn: &mut AsyncPgConnection, body: &F) -> Result<T, E>
where
    for<'r> F: AsyncFn(&'r mut AsyncPgConnection) -> Result<T, E>
        + TransactionBody<&'r mut AsyncPgConnection, Result<T, E>, Fut: Send>
        + Send
        + Sync,
    T: Send,
    E: From<DieselError> + Send,
{
    match body(&mut *conn).await {
        Ok(value) => {
            Manager::commit_transaction(conn).await?;
            Ok(value)
        }
        Err(error) => match Manager::rollback_transaction(conn).await {
            Ok(()) | Err(DieselError::BrokenTransactionManager) => Err(error),
            // The connection died: the body's error says more, and the pool drops the connection.
            Err(_) => Err(error),
        },
    }
}

/// Sees every statement's error, because the body's error type hides the database's.
#[derive(Clone, Default)]
struct ConflictWatch(Arc<AtomicBool>);

impl ConflictWatch {
    fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
    fn seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Instrumentation for ConflictWatch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let error = match event {
            InstrumentationEvent::FinishQuery {
                error: Some(error), ..
            } => error,
            _ => return,
        };
        if is_conflict(error) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// 2, 4, 8, 16, 32 ms, each between half and the whole, so that the losers do not meet again.
fn pause(attempt: u32) -> Duration {
    let full = 2_000_u64 << attempt.min(6);
    Duration::from_micros(rand::random_range(full / 2..=full))
}

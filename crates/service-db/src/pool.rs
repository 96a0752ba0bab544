use std::{sync::Arc, time::Duration};

use diesel::ConnectionError;
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Object, Pool},
    },
};
use futures_util::FutureExt;
use service_config::DatabaseSettings;

use crate::DbError;

/// A connection lent by the pool; it goes back when dropped, or is thrown away when a transaction
/// is still open in it.
pub type Conn = Object<AsyncPgConnection>;

/// How long a caller waits for a connection before it is told that none is free.
const CHECKOUT: Duration = Duration::from_secs(5);

/// The database of one service. Cloning shares the pool.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    shared: Arc<Shared>,
}

struct Shared {
    url: service_config::Secret,
    limits: String,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Builds the pool. No connection is made before the first use, so that a service starts (live,
    /// not ready) while its database is away.
    ///
    /// # Errors
    /// When the settings cannot make a pool.
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, DbError> {
        let limits = limits_sql(settings);
        let mut config = ManagerConfig::default();
        // `Fast` still discards closed connections and those with an open transaction.
        config.recycling_method = RecyclingMethod::Fast;
        let setup = limits.clone();
        config.custom_setup = Box::new(move |url| {
            let (url, setup) = (url.to_owned(), setup.clone());
            async move { establish(&url, &setup).await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(
            settings.url.expose(),
            config,
        );
        let pool = Pool::builder(manager)
            .max_size(settings.max_connections.max(1))
            .build()
            .map_err(|error| DbError::Connect(error.to_string()))?;
        Ok(Self {
            pool,
            shared: Arc::new(Shared {
                url: settings.url.clone(),
                limits,
            }),
        })
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`DbError::Timeout`] after 5 seconds, [`DbError::Connect`] when the server refuses.
    pub async fn get(&self) -> Result<Conn, DbError> {
        match tokio::time::timeout(CHECKOUT, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(DbError::Connect(error.to_string())),
            Err(_) => Err(DbError::Timeout(CHECKOUT.as_millis())),
        }
    }

    /// A connection of its own, outside the pool: for `LISTEN` and for locks that live as long as
    /// the connection.
    ///
    /// # Errors
    /// [`DbError::Connect`] when the server refuses, [`DbError::Timeout`] after 5 seconds.
    pub async fn dedicated(&self) -> Result<AsyncPgConnection, DbError> {
        let connecting = establish(self.shared.url.expose(), &self.shared.limits);
        match tokio::time::timeout(CHECKOUT, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(DbError::Connect(error.to_string())),
            Err(_) => Err(DbError::Timeout(CHECKOUT.as_millis())),
        }
    }

    /// Asks the server for an answer; the readiness check.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut conn = self.get().await?;
        diesel::sql_query("SELECT 1").execute(&mut conn).await?;
        Ok(())
    }

    /// Connections in the pool: (open, free).
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Closes the pool: waiting and later callers get an error.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// One connection with the role's limits set, so that no statement, lock or forgotten transaction
/// can hold others up for long.
async fn establish(url: &str, limits: &str) -> Result<AsyncPgConnection, ConnectionError> {
    let mut connection = AsyncPgConnection::establish(url).await?;
    connection
        .batch_execute(limits)
        .await
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

fn limits_sql(settings: &DatabaseSettings) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}; SET timezone = 'UTC'",
        settings.statement_timeout_ms,
        settings.lock_timeout_ms,
        settings.idle_in_transaction_timeout_ms,
    )
}

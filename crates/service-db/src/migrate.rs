use std::str::FromStr;

use diesel::{connection::SimpleConnection, sql_types::BigInt};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use service_config::DatabaseSettings;

/// Tables that every service has: outbox, inbox, dead letters, idempotency keys, audit.
pub const SHARED_MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/shared");

/// Shared tables that the service's role may only read and append to.
pub const SHARED_APPEND_ONLY: &[&str] = &["audit_entries", "audit_seals", "audit_sealed_entries"];

/// Why the database could not be brought to the current shape.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The owner's address cannot be read.
    #[error("database address: {0}")]
    Address(String),
    /// No connection as the owner.
    #[error("cannot connect to migrate: {0}")]
    Connect(String),
    /// A migration or a grant failed.
    #[error("migration failed: {0}")]
    Failed(String),
}

/// Brings the database to the current shape: first the shared tables, then the service's own, under
/// an advisory lock, as the owner (`migration_url`, else `url`). Then grants the service's role what
/// it needs, and takes UPDATE, DELETE and TRUNCATE on `append_only` tables from it.
///
/// Answers the versions that were applied. Works on every Tokio runtime: the synchronous harness
/// runs on a blocking thread.
///
/// # Errors
/// See [`MigrateError`]; what an earlier migration did stays, each is its own transaction.
pub async fn migrate(
    settings: &DatabaseSettings,
    service: EmbeddedMigrations,
    append_only: &[&str],
) -> Result<Vec<String>, MigrateError> {
    migrate_with(settings, SHARED_MIGRATIONS, service, append_only).await
}

/// [`migrate`] with other shared migrations; for tests of the runner itself.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_with(
    settings: &DatabaseSettings,
    shared: EmbeddedMigrations,
    service: EmbeddedMigrations,
    append_only: &[&str],
) -> Result<Vec<String>, MigrateError> {
    let grants = grants_sql(settings, append_only)?;
    on_owner_connection(settings, move |conn| {
        let mut applied = Vec::new();
        for source in [shared, service] {
            let versions = conn.run_pending_migrations(source).map_err(failed)?;
            applied.extend(versions.iter().map(ToString::to_string));
        }
        if let Some(sql) = grants {
            conn.batch_execute(&sql).map_err(failed)?;
        }
        Ok(applied)
    })
    .await
}

/// Takes every migration back, newest first: for the test that up, down and up again agree.
///
/// # Errors
/// When one cannot be taken back.
pub async fn revert_all(
    settings: &DatabaseSettings,
    service: EmbeddedMigrations,
) -> Result<(), MigrateError> {
    on_owner_connection(settings, move |conn| {
        let both = Both(SHARED_MIGRATIONS, service);
        conn.revert_all_migrations(both).map_err(failed).map(drop)
    })
    .await
}

/// Two sources as one, because diesel looks up every applied version in the source it is given.
struct Both(EmbeddedMigrations, EmbeddedMigrations);

impl diesel::migration::MigrationSource<diesel::pg::Pg> for Both {
    fn migrations(
        &self,
    ) -> diesel::migration::Result<Vec<Box<dyn diesel::migration::Migration<diesel::pg::Pg>>>> {
        let mut all = self.0.migrations()?;
        let own: Vec<Box<dyn diesel::migration::Migration<diesel::pg::Pg>>> =
            self.1.migrations()?;
        all.extend(own);
        Ok(all)
    }
}

type Blocking = AsyncConnectionWrapper<AsyncPgConnection>;

async fn on_owner_connection<T, F>(settings: &DatabaseSettings, work: F) -> Result<T, MigrateError>
where
    T: Send + 'static,
    F: FnOnce(&mut Blocking) -> Result<T, MigrateError> + Send + 'static,
{
    let url = owner_url(settings).to_owned();
    let connection = AsyncPgConnection::establish(&url)
        .await
        .map_err(|error| MigrateError::Connect(error.to_string()))?;
    let outcome = tokio::task::spawn_blocking(move || {
        let mut conn = Blocking::from(connection);
        // The lock first: it may wait for another process's whole migration, a table lock may not.
        diesel::RunQueryDsl::execute(
            diesel::sql_query("SELECT pg_advisory_lock($1)").bind::<BigInt, _>(MIGRATION_LOCK),
            &mut conn,
        )
        .map_err(failed)?;
        conn.batch_execute("SET lock_timeout = '5s'")
            .map_err(failed)?;
        // The lock ends with the connection, which ends here.
        work(&mut conn)
    })
    .await;
    outcome.map_err(failed)?
}

/// The key of the lock that keeps migrations of one database apart ("tabib" in ASCII).
const MIGRATION_LOCK: i64 = 0x0074_6162_6962;

fn failed(error: impl std::fmt::Display) -> MigrateError {
    MigrateError::Failed(error.to_string())
}

fn owner_url(settings: &DatabaseSettings) -> &str {
    settings
        .migration_url
        .as_ref()
        .unwrap_or(&settings.url)
        .expose()
}

/// Rights of the service's role, or `None` when the owner and the service are one role.
fn grants_sql(
    settings: &DatabaseSettings,
    append_only: &[&str],
) -> Result<Option<String>, MigrateError> {
    let role = user_of(settings.url.expose())?;
    if role == user_of(owner_url(settings))? {
        return Ok(None);
    }
    let role = quoted(&role);
    let mut sql = format!(
        "GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
         REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON __diesel_schema_migrations FROM {role};"
    );
    for table in append_only.iter().chain(SHARED_APPEND_ONLY) {
        let table = quoted(table);
        sql.push_str(&format!(
            "\nDO $$ BEGIN IF to_regclass('public.{table}') IS NOT NULL THEN
                 REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {role}; END IF; END $$;"
        ));
    }
    Ok(Some(sql))
}

fn user_of(url: &str) -> Result<String, MigrateError> {
    let config = tokio_postgres::Config::from_str(url)
        .map_err(|error| MigrateError::Address(error.to_string()))?;
    Ok(config.get_user().unwrap_or_default().to_owned())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

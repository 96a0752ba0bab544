use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::Path,
};

use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::EmbeddedMigrations;
use service_config::{DatabaseSettings, Secret};
use service_db::Db;
use uuid::Uuid;

/// The role that services work as in tests: it owns nothing.
const APP_ROLE: &str = "tabib_test_app";
/// Databases of tests that died are dropped after so many seconds.
const STALE_SECONDS: i64 = 7_200;

/// A database of one test's own, with the service's tables, dropped when the test ends.
///
/// Made from a template that is migrated once per content of the migration files, so it costs some
/// 60 ms. The service works as a role without rights of its own, as in production: append-only
/// tables are append-only here too.
#[derive(Debug)]
pub struct TestDb {
    /// The pool, as the service's role.
    pub db: Db,
    name: String,
    settings: DatabaseSettings,
}

impl TestDb {
    /// A fresh database with the tables of `service` (its folder in `migrations/`).
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create(service: &str, migrations: EmbeddedMigrations) -> Self {
        Self::create_with(service, migrations, &[]).await
    }

    /// [`create`](Self::create) for a service with append-only tables.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn create_with(
        service: &str,
        migrations: EmbeddedMigrations,
        append_only: &[&str],
    ) -> Self {
        let template = template(service, migrations, append_only).await;
        let name = format!("tabib_test_{}_{}", unix_now(), Uuid::new_v4().simple());
        let mut admin = admin().await;
        admin
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("database from template");
        let settings = settings_for(&name);
        let db = Db::connect(&settings).await.expect("pool");
        Self { db, name, settings }
    }

    /// Settings with which a service reaches this database.
    pub fn settings(&self) -> DatabaseSettings {
        self.settings.clone()
    }

    /// A pool as the owner, who may do what the service may not; for planting differences.
    ///
    /// # Panics
    /// When the pool cannot be made.
    pub async fn owner(&self) -> Db {
        let mut settings = self.settings();
        settings.url = settings.migration_url.take().expect("owner");
        settings.max_connections = 2;
        Db::connect(&settings).await.expect("pool")
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread of its own: the test's runtime may be ending.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("runtime").block_on(async move {
                if let Err(error) = admin().await.batch_execute(&sql).await {
                    tracing::warn!(%error, "test database not dropped");
                }
            });
        })
        .join();
    }
}

#[derive(diesel::QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    found: bool,
}

#[derive(diesel::QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    datname: String,
}

async fn admin() -> AsyncPgConnection {
    let url = crate::database_url();
    match AsyncPgConnection::establish(&url).await {
        Ok(connection) => connection,
        Err(error) => panic!(
            "DATABASE_URL does not answer: {error}; {}",
            why_silent(&url).await
        ),
    }
}

/// What a failed connection does not say by itself: the system's error, and how the log of a
/// server that `tabib test-services` started ends.
async fn why_silent(url: &str) -> String {
    let url = url::Url::parse(url).expect("address");
    let (host, port) = (url.host_str().unwrap_or(""), url.port().unwrap_or(5432));
    let socket = match tokio::net::TcpStream::connect((host, port)).await {
        Ok(_) => "its port answers".to_owned(),
        Err(error) => format!("connecting to its port: {error}"),
    };
    let Some(folder) = std::env::var_os("TABIB_TEST_SERVERS") else {
        return socket;
    };
    let log = std::fs::read(Path::new(&folder).join("pg/log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(15)..].join("\n");
    format!("{socket}; the end of its log:\n{last}")
}

/// The template's name; made when its migrations are new. Finished templates alone have that name,
/// so that a test killed while migrating spoils nothing.
async fn template(service: &str, migrations: EmbeddedMigrations, append_only: &[&str]) -> String {
    let hash = content_hash(service, append_only);
    let name = format!("tabib_template_{}_{hash:016x}", service.replace('-', "_"));
    let mut conn = admin().await;
    if exists(&mut conn, &name).await {
        return name;
    }
    diesel::sql_query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
        .bind::<Text, _>("tabib test templates")
        .execute(&mut conn)
        .await
        .expect("lock");
    if !exists(&mut conn, &name).await {
        prepare_role(&mut conn).await;
        sweep(&mut conn).await;
        let making = format!("{name}_making");
        for sql in [
            format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)"),
            format!("CREATE DATABASE {making}"),
        ] {
            conn.batch_execute(&sql).await.expect("template database");
        }
        service_db::migrate(&settings_for(&making), migrations, append_only)
            .await
            .expect("migrations");
        // The migrating connection may take a moment to leave.
        let renamed = format!("ALTER DATABASE {making} RENAME TO {name}");
        for attempt in 0..50 {
            match conn.batch_execute(&renamed).await {
                Ok(()) => break,
                Err(error) => assert!(attempt < 49, "template not finished: {error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    // The lock ends with the connection.
    name
}

async fn exists(conn: &mut AsyncPgConnection, name: &str) -> bool {
    let row: Exists =
        diesel::sql_query("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1) AS found")
            .bind::<Text, _>(name)
            .get_result(conn)
            .await
            .expect("databases");
    row.found
}

async fn prepare_role(conn: &mut AsyncPgConnection) {
    conn.batch_execute(&format!(
        "DO $$ BEGIN CREATE ROLE {APP_ROLE} LOGIN PASSWORD '{APP_ROLE}'; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    ))
    .await
    .expect("role");
}

/// Drops databases of tests that were killed.
async fn sweep(conn: &mut AsyncPgConnection) {
    let stale: Vec<Name> = diesel::sql_query(
        "SELECT datname::text AS datname FROM pg_database WHERE datname ~ '^tabib_test_[0-9]+_' \
         AND split_part(datname, '_', 3)::bigint < $1",
    )
    .bind::<BigInt, _>(unix_now() - STALE_SECONDS)
    .load(conn)
    .await
    .expect("databases");
    for database in stale {
        let _ = conn
            .batch_execute(&format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                database.datname
            ))
            .await;
    }
}

fn settings_for(database: &str) -> DatabaseSettings {
    let mut owner = url::Url::parse(&crate::database_url()).expect("address");
    owner.set_path(database);
    let mut app = owner.clone();
    app.set_username(APP_ROLE).expect("user");
    app.set_password(Some(APP_ROLE)).expect("password");
    DatabaseSettings {
        url: Secret::from(app.to_string()),
        migration_url: Some(Secret::from(owner.to_string())),
        max_connections: 8,
        statement_timeout_ms: 15_000,
        lock_timeout_ms: 10_000,
        idle_in_transaction_timeout_ms: 15_000,
    }
}

/// A number for the content of the migration files and the rights they get.
fn content_hash(service: &str, append_only: &[&str]) -> u64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut hasher = DefaultHasher::new();
    append_only.hash(&mut hasher);
    for folder in ["shared", service] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        for path in folders {
            path.file_name().hash(&mut hasher);
            std::fs::read(path.join("up.sql"))
                .unwrap_or_default()
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn unix_now() -> i64 {
    chrono::Utc::now().timestamp()
}

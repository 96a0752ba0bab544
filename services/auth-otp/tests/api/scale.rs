//! How the cost grows: no route reads a table that grows from one end to the other. PostgreSQL itself counts that, so the
//! statements are the ones that the routes really run, those inside functions too.

use std::collections::BTreeMap;

use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use reqwest::Method;
use serde_json::{Value, json};
use service_db::Db;
use service_http::server::Running;

use crate::harness::{App, text};
use crate::organizations::{ADMIN, DOCTOR};

const FILL: &str = include_str!("scale.sql");

#[derive(diesel::QueryableByName)]
struct Scans {
    #[diesel(sql_type = Text)]
    table: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    #[diesel(sql_type = BigInt)]
    scans: i64,
}

/// A service on full tables, with connections of its own whose scans are counted.
struct Full {
    app: App,
    owner: Db,
    _running: Running,
    before: BTreeMap<String, i64>,
}

impl Full {
    async fn start() -> Self {
        let mut app = App::start().await;
        auth_otp::setup::seed(&app.state, "demo").await.unwrap();
        let owner = app.db.owner().await;
        let mut conn = owner.get().await.unwrap();
        conn.batch_execute(FILL).await.unwrap();
        // As autovacuum leaves tables: counted, and with no new entries waiting beside the search indexes.
        conn.batch_execute("VACUUM ANALYZE").await.unwrap();
        let before = scans(&mut conn).await;
        drop(conn);
        let (base, running) = app.second_instance().await;
        app.base = base;
        Self {
            app,
            owner,
            _running: running,
            before,
        }
    }

    /// Fails with the tables that were read from one end to the other.
    async fn assert_no_scan(self) {
        self.assert_scans(|_| 0).await;
    }

    /// Fails with the tables that were read from one end to the other more often.
    async fn assert_scans(self, most: impl Fn(&str) -> i64) {
        let mut conn = self.owner.get().await.unwrap();
        let after = scans(&mut conn).await;
        let read: Vec<_> = after
            .iter()
            .filter(|(table, scans)| {
                self.before
                    .get(*table)
                    .is_some_and(|before| **scans > before + most(table))
            })
            .map(|(table, scans)| format!("{table}: {} times", scans - self.before[table]))
            .collect();
        assert!(self.before.len() >= 15, "{:?}", self.before.keys());
        assert!(read.is_empty(), "read from one end to the other: {read:?}");
    }
}

/// How often each full table was read sequentially. Ends all other connections first: at its end a backend reports what it
/// has counted.
async fn scans(conn: &mut AsyncPgConnection) -> BTreeMap<String, i64> {
    conn.batch_execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid(); SELECT pg_stat_force_next_flush()",
    )
    .await
    .unwrap();
    let rows: Vec<Scans> = diesel::sql_query(
        "SELECT s.relname::text AS table, c.reltuples::bigint AS rows, s.seq_scan AS scans \
         FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid",
    )
    .load(conn)
    .await
    .unwrap();
    rows.into_iter()
        .filter(|row| row.rows >= 5_000)
        .map(|row| (row.table, row.scans))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_of_a_login_scans_a_table_that_grows() {
    let full = Full::start().await;
    let app = &full.app;
    // One of the fifty thousand, and somebody new; wrong first.
    for phone in ["09127000007", "09390000007"] {
        app.post("/api/auth/otp/request/", json!({"phone_number": phone}))
            .await
            .expect(200);
        let e164 = format!("+98{}", &phone[1..]);
        let code = app.code(&e164).await;
        for (typed, status) in [(crate::otp::wrong(&code), 400), (code, 200)] {
            let body = json!({"phone_number": phone, "code": typed});
            app.post("/api/auth/otp/verify/", body).await.expect(status);
        }
        app.post("/api/otp/send/", json!({"mobile_number": phone}))
            .await
            .expect(200);
        let body = json!({"mobile_number": phone, "code": app.code(&e164).await});
        let pair = app.post("/api/authenticate/", body).await.expect(200);
        let access = text(&pair, "access");
        for path in ["/api/auth/me/", "/api/sessions/", "/api/auth/audit/"] {
            app.get(path, &access).await.expect(200);
        }
        let body = json!({"full_name": "مریم رضایی"});
        app.call(Method::PATCH, "/api/auth/me/", &access, body)
            .await
            .expect(200);
        let body = json!({"refresh": text(&pair, "refresh")});
        let pair = app.post("/api/auth/token/refresh/", body).await.expect(200);
        let access = text(&pair, "access");
        let others = "/api/sessions/?except=current";
        app.call(Method::DELETE, others, &access, Value::Null)
            .await
            .expect(204);
        app.call(Method::POST, "/api/auth/logout/", &access, json!({}))
            .await
            .expect(204);
    }
    let service = app.service_token().await;
    for path in [
        "/internal/revocations?since=0",
        "/internal/users/by-phone/09127000007",
    ] {
        app.get(path, &service).await.expect(200);
    }
    let body = json!({"key": "tk_unknown"});
    app.call(
        Method::POST,
        "/internal/api-keys/introspect",
        &service,
        body,
    )
    .await
    .expect(200);
    full.assert_no_scan().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_list_scans_a_table_that_grows() {
    let full = Full::start().await;
    let app = &full.app;
    let superuser = app.access(ADMIN).await;
    let doctor = app.access(DOCTOR).await;
    // What a member of one clinic lists, and what a superuser searches in everything.
    for path in [
        "/api/auth/organizations/",
        "/api/auth/organization-members/",
        "/api/auth/workspaces/",
        "/api/auth/invitations/mine/",
    ] {
        app.get(path, &doctor).await.expect(200);
    }
    for path in [
        "/api/auth/users/?search=7000007",
        "/api/auth/users/?search=7000007&ordering=full_name",
        "/api/auth/api-keys/?search=partner+4711",
        "/api/auth/api-keys/?search=partner+4711&ordering=name",
        "/api/auth/invitations/?search=9128004711",
        "/api/auth/organizations/?search=clinic-4711",
        "/api/admin/auth-otp/users/?search=7000007",
        "/api/admin/auth-otp/organizations/?search=clinic-4711",
        "/api/admin/auth-otp/shield/",
        "/api/auth/notifications/",
    ] {
        app.get(path, &superuser).await.expect(200);
    }
    full.assert_no_scan().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_everything_is_counted_once_and_read_by_index() {
    let full = Full::start().await;
    let app = &full.app;
    let superuser = app.access(ADMIN).await;
    for order in ["", "&ordering=name", "&ordering=-created_at"] {
        for path in [
            "/api/auth/organizations/",
            "/api/auth/workspaces/",
            "/api/auth/invitations/",
            "/api/auth/api-keys/",
            "/api/auth/notifications/",
        ] {
            let page = app.get(&format!("{path}?page=3{order}"), &superuser).await;
            page.expect(200);
        }
    }
    // How many there are is a count of the table, once for each page, and of the organisations whose names can be searched;
    // the page itself is read by index.
    full.assert_scans(|table| if table == "organizations" { 12 } else { 3 })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sweep_scans_a_table_that_grows() {
    let full = Full::start().await;
    let settings = full.app.db.settings();
    let db = Db::connect(&settings).await.unwrap();
    let mut conn = db.get().await.unwrap();
    auth_otp::sweep(&mut conn, &full.app.state).await.unwrap();
    drop(conn);
    full.assert_no_scan().await;
}

#[derive(diesel::QueryableByName)]
struct Touched {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// A plan that was made while the table was empty must not read every counter of the hour later.
#[tokio::test]
async fn a_code_reads_its_own_counters_only() {
    let app = App::start().await;
    let mut conn = app.db.db.dedicated().await.unwrap();
    let send = |phone: &str| {
        format!(
            "SELECT charge_send('{phone}', now(), 5, 10, date_trunc('day', now()), ARRAY['ip:a', 'net:b', 'block:c'], \
             ARRAY[100, 100, 100]::bigint[])"
        )
    };
    conn.batch_execute("SET plan_cache_mode = force_generic_plan")
        .await
        .unwrap();
    conn.batch_execute(&send("+989120000001")).await.unwrap();
    conn.batch_execute(
        "INSERT INTO send_counters (scope, window_start, sent) \
         SELECT 'ip:' || n, date_trunc('day', now()), 1 FROM generate_series(1, 5000) n",
    )
    .await
    .unwrap();
    conn.batch_execute("BEGIN").await.unwrap();
    conn.batch_execute(&send("+989120000002")).await.unwrap();
    let touched: Touched = diesel::sql_query(
        "SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint AS rows \
         FROM pg_stat_xact_user_tables WHERE relname = 'send_counters'",
    )
    .get_result(&mut conn)
    .await
    .unwrap();
    conn.batch_execute("COMMIT").await.unwrap();
    assert!((1..=20).contains(&touched.rows), "{} rows", touched.rows);
}

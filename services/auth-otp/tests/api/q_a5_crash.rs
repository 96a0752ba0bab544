//! Q-A5: kill -9 at four points of a refresh, and a connection reset before the answer. Whatever happens, the client
//! that retries its token goes on with one chain.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use diesel::sql_types::{BigInt, Integer};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::json;
use service_testing::{eventually, redis_url};

use crate::harness::{App, PHONE, text};
use crate::process::Program;

#[derive(diesel::QueryableByName)]
struct Generation {
    #[diesel(sql_type = Integer)]
    generation: i32,
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A session that the program opened, and the means to look at it and to hold it up.
struct Stage {
    app: App,
    owner: AsyncPgConnection,
    watcher: AsyncPgConnection,
}

impl Stage {
    async fn set() -> Self {
        let app = App::start().await;
        let settings = app.db.settings();
        let url = settings.migration_url.unwrap();
        let owner = AsyncPgConnection::establish(url.expose()).await.unwrap();
        let watcher = AsyncPgConnection::establish(url.expose()).await.unwrap();
        Self {
            app,
            owner,
            watcher,
        }
    }

    async fn hold(&mut self, sql: &str) {
        self.owner.batch_execute(sql).await.unwrap();
    }

    async fn generation(&mut self) -> i32 {
        let row: Generation = diesel::sql_query("SELECT generation FROM sessions")
            .get_result(&mut self.watcher)
            .await
            .unwrap();
        row.generation
    }

    /// Waits until a backend of this database waits for a lock.
    async fn until_held_up(&mut self) {
        let end = std::time::Instant::now() + Duration::from_secs(60);
        loop {
            let row: Count = diesel::sql_query(
                "SELECT count(*) AS count FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .get_result(&mut self.watcher)
            .await
            .unwrap();
            if row.count > 0 {
                return;
            }
            assert!(std::time::Instant::now() < end, "nothing waits");
            tokio::task::yield_now().await;
        }
    }

    /// Kills the program while a refresh is held up; answers the token it was given.
    async fn kill_in_refresh(&mut self) -> String {
        let program = Program::start(&self.app, &redis_url()).await;
        let token = text(&program.log_in(&self.app, PHONE).await, "refresh");
        let mut program = self.held(&token, program).await;
        program.kill();
        token
    }

    /// Sends a refresh and waits until it is held up.
    async fn held(&mut self, token: &str, program: Program) -> Program {
        let body = json!({"refresh": token});
        let request = program.request("/api/auth/token/refresh/", &body).send();
        let running = tokio::spawn(request);
        self.until_held_up().await;
        assert!(!running.is_finished());
        program
    }
}

/// The token that was in the air is tried again at a new process: one chain, whose next links work.
async fn goes_on(stage: &mut Stage, token: &str, generation: i32) {
    let program = Program::start(&stage.app, &redis_url()).await;
    let first = text(&program.refresh(token).await.expect(200), "refresh");
    assert_eq!(stage.generation().await, generation, "one step, not two");
    let again = text(&program.refresh(token).await.expect(200), "refresh");
    assert_eq!(first, again, "the same successor");
    let next = program.refresh(&first).await.expect(200);
    assert_eq!(stage.generation().await, generation + 1);
    assert_eq!(program.me(&text(&next, "access")).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_killed_before_anything_was_read() {
    let mut stage = Stage::set().await;
    let program = Program::start(&stage.app, &redis_url()).await;
    let token = text(&program.log_in(&stage.app, PHONE).await, "refresh");
    stage.hold("BEGIN; SELECT 1 FROM sessions FOR UPDATE").await;
    let mut program = stage.held(&token, program).await;
    program.kill();
    stage.hold("ROLLBACK").await;
    assert_eq!(stage.generation().await, 0);
    goes_on(&mut stage, &token, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_killed_between_the_update_and_the_commit() {
    let mut stage = Stage::set().await;
    let program = Program::start(&stage.app, &redis_url()).await;
    let token = text(&program.log_in(&stage.app, PHONE).await, "refresh");
    // The refresh has written its new generation when it asks where the user stands.
    stage
        .hold("BEGIN; LOCK TABLE memberships IN ACCESS EXCLUSIVE MODE")
        .await;
    let mut program = stage.held(&token, program).await;
    program.kill();
    stage.hold("ROLLBACK").await;
    assert_eq!(stage.generation().await, 0, "nothing was committed");
    goes_on(&mut stage, &token, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_killed_while_the_commit_was_under_way() {
    let mut stage = Stage::set().await;
    stage
        .hold(
            "CREATE FUNCTION hold_commit() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock(4242); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER hold_commit AFTER UPDATE OF generation ON sessions \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_commit()",
        )
        .await;
    stage.hold("SELECT pg_advisory_lock(4242)").await;
    let token = stage.kill_in_refresh().await;
    stage.hold("SELECT pg_advisory_unlock(4242)").await;
    // The server finishes the commit that nobody waits for any more.
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while stage.generation().await == 0 {
        assert!(std::time::Instant::now() < end, "committed");
    }
    goes_on(&mut stage, &token, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_killed_or_reset_after_the_commit_before_the_answer_is_read() {
    let mut stage = Stage::set().await;
    let mut program = Program::start(&stage.app, &redis_url()).await;
    let token = text(&program.log_in(&stage.app, PHONE).await, "refresh");
    let body = json!({"refresh": token}).to_string();
    let address = program.base.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    // A close with unread data and no linger is a RST.
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    write!(
        stream,
        "POST /api/auth/token/refresh/ HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while stage.generation().await == 0 {
        assert!(std::time::Instant::now() < end, "refreshed");
    }
    drop(stream);
    program.kill();
    goes_on(&mut stage, &token, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a5_a_grandparent_ends_the_family_within_a_second() {
    let stage = Stage::set().await;
    let app = &stage.app;
    let program = Program::start(app, &redis_url()).await;
    let login = program.log_in(app, PHONE).await;
    let first = text(&login, "refresh");
    let second = text(&program.refresh(&first).await.expect(200), "refresh");
    let third = program.refresh(&second).await.expect(200);
    let access = text(&third, "access");
    assert_eq!(program.me(&access).await, 200);
    // Within the ten seconds the parent may be retried, the grandparent never.
    program.refresh(&first).await.expect(401);
    eventually(Duration::from_secs(60), async || {
        program.me(&access).await == 401
    })
    .await;
    program.refresh(&text(&third, "refresh")).await.expect(401);
}

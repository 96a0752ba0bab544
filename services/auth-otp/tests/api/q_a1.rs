//! Q-A1: parallel guesses. The counter rises before the compare, so no more than the allowed attempts are evaluated.

use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::Integer;
use diesel_async::RunQueryDsl;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{App, E164, PHONE, send};
use crate::otp::wrong;

/// So many verifies at once.
const STORM: usize = 1000;

#[derive(diesel::QueryableByName)]
struct Attempts {
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

async fn attempts(app: &App) -> i32 {
    let mut conn = app.db.db.get().await.unwrap();
    let row: Attempts =
        diesel::sql_query("SELECT attempts FROM one_time_codes ORDER BY created_at DESC LIMIT 1")
            .get_result(&mut conn)
            .await
            .unwrap();
    row.attempts
}

/// Fires all bodies at once and returns statuses and bodies.
async fn storm(app: &Arc<App>, path: &'static str, bodies: Vec<Value>) -> Vec<(u16, Value)> {
    let mut tasks = JoinSet::new();
    for body in bodies {
        let app = app.clone();
        tasks.spawn(async move { patient(app.request(Method::POST, path).json(&body)).await });
    }
    tasks.join_all().await
}

/// The answer of a call that is repeated while the service has no connection free: such a call has evaluated nothing.
async fn patient(request: reqwest::RequestBuilder) -> (u16, Value) {
    loop {
        let answer = send(request.try_clone().unwrap()).await;
        if answer.status != 503 {
            return (answer.status, answer.body);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same phone in ten spellings.
fn spelling(index: usize) -> &'static str {
    const SPELLINGS: [&str; 10] = [
        PHONE,
        E164,
        "00989121234567",
        "9121234567",
        "989121234567",
        "۰۹۱۲۱۲۳۴۵۶۷",
        "٠٩١٢١٢٣٤٥٦٧",
        "0912 123 4567",
        "0912-123-4567",
        "+98 0912 123 4567",
    ];
    SPELLINGS[index % SPELLINGS.len()]
}

async fn issued() -> (Arc<App>, String) {
    let app = Arc::new(App::start().await);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    let code = app.code(E164).await;
    (app, code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a1_a_thousand_wrong_codes_evaluate_five() {
    let (app, code) = issued().await;
    let bodies = (0..STORM)
        .map(|i| json!({"phone_number": spelling(i), "code": wrong(&code)}))
        .collect();
    let answers = storm(&app, "/api/auth/otp/verify/", bodies).await;
    let evaluated = answers
        .iter()
        .filter(|(_, body)| body["message"].as_str().unwrap().contains("remaining"))
        .count();
    assert_eq!(evaluated, 5);
    assert!(answers.iter().all(|(status, _)| *status == 400));
    assert_eq!(attempts(&app).await, 5);
    let body = json!({"phone_number": PHONE, "code": code});
    app.post("/api/auth/otp/verify/", body).await.expect(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a1_a_thousand_right_codes_open_one_session() {
    let (app, code) = issued().await;
    let bodies = (0..STORM)
        .map(|i| json!({"phone_number": spelling(i), "code": code}))
        .collect();
    let answers = storm(&app, "/api/auth/otp/verify/", bodies).await;
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 200).count(),
        1
    );
    assert!(attempts(&app).await <= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a1_one_right_code_in_a_thousand_opens_one_session_at_most() {
    let (app, code) = issued().await;
    let mut bodies: Vec<Value> = (0..STORM)
        .map(|i| json!({"phone_number": spelling(i), "code": wrong(&code)}))
        .collect();
    bodies[STORM / 2] = json!({"phone_number": PHONE, "code": code});
    let answers = storm(&app, "/api/auth/otp/verify/", bodies).await;
    let opened = answers.iter().filter(|(status, _)| *status == 200).count();
    let wrongs = answers
        .iter()
        .filter(|(_, body)| body["message"].as_str().unwrap().contains("remaining"))
        .count();
    assert!(
        opened <= 1 && opened + wrongs <= 5,
        "{opened} opened, {wrongs} evaluated wrong"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a1_parallel_requests_send_one_sms() {
    let app = Arc::new(App::start().await);
    let bodies = (0..100)
        .map(|i| json!({"phone_number": spelling(i)}))
        .collect();
    let answers = storm(&app, "/api/auth/otp/request/", bodies).await;
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == 200).count(),
        1
    );
    assert_eq!(app.inbox.received_requests().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a1_two_instances_share_one_counter() {
    for right in [0, STORM] {
        let (app, code) = issued().await;
        let (other, _running) = app.second_instance().await;
        let other: &'static str = Box::leak(other.into_boxed_str());
        let mut tasks = JoinSet::new();
        for i in 0..STORM {
            let typed = if i < right {
                code.clone()
            } else {
                wrong(&code)
            };
            let body = json!({"phone_number": spelling(i), "code": typed});
            let app = app.clone();
            tasks.spawn(async move {
                let base = if i % 2 == 0 { &app.base } else { other };
                let url = format!("{base}/api/auth/otp/verify/");
                patient(app.http.post(&url).json(&body)).await
            });
        }
        let answers = tasks.join_all().await;
        let opened = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(opened, usize::from(right > 0));
        assert!(attempts(&app).await <= 5);
    }
}

#[derive(diesel::QueryableByName)]
struct Waits {
    #[diesel(sql_type = diesel::sql_types::Text)]
    synchronous_commit: String,
}

/// The commit of an attempt need not wait for the disk: nobody hears what the comparison says before a later commit that does
/// wait, and the log is written in order.
#[tokio::test]
async fn q_a1_only_the_count_itself_waits_for_no_disk() {
    let (app, _) = issued().await;
    let mut conn = app.db.db.dedicated().await.unwrap();
    // As in production; the servers of the tests wait for no disk at all.
    diesel::sql_query("SET synchronous_commit = on")
        .execute(&mut conn)
        .await
        .unwrap();
    let attempt = format!(
        "SELECT left_over AS attempts FROM attempt_code('login_s4', '{E164}', '', NULL, now(), 100)"
    );
    for (sql, during) in [
        (attempt.as_str(), "off"),
        (
            "SELECT 1 AS attempts FROM use_code(gen_random_uuid(), '', now())",
            "on",
        ),
    ] {
        diesel::sql_query("BEGIN").execute(&mut conn).await.unwrap();
        let _: Attempts = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
        for (end, expected) in [("SELECT 1", during), ("COMMIT", "on")] {
            diesel::sql_query(end).execute(&mut conn).await.unwrap();
            let waits: Waits = diesel::sql_query("SHOW synchronous_commit")
                .get_result(&mut conn)
                .await
                .unwrap();
            assert_eq!(waits.synchronous_commit, expected, "{sql} {end}");
        }
    }
}

//! Q-A1: parallel guesses. The counter rises before the compare, so no more than the allowed attempts are evaluated.

use std::sync::Arc;

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
        tasks.spawn(async move {
            let answer = send(app.request(Method::POST, path).json(&body)).await;
            (answer.status, answer.body)
        });
    }
    tasks.join_all().await
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

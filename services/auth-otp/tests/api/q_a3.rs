//! Q-A3: known and unknown phones answer alike, in words and in time.

use std::time::{Duration, Instant};

use diesel_async::RunQueryDsl;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{App, send};

/// Samples of each kind.
const SAMPLES: usize = 2_000;

/// Numbers of people who have an account and of nobody.
fn phone(known: bool, n: usize) -> String {
    format!("09{}{n:07}", if known { 18 } else { 19 })
}

async fn run(app: &App, sql: &str) {
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
}

/// A service that knows half of the numbers.
async fn half_known() -> App {
    let app = App::start_with(&[("CODES__PROFILES__LOGIN_S4__COOLDOWN_SECONDS", "0")]).await;
    let people = format!(
        "INSERT INTO users (id, phone, language, created_at, updated_at) SELECT gen_random_uuid(), \
         '+98918' || lpad(n::text, 7, '0'), 'fa', now(), now() FROM generate_series(0, {SAMPLES} - 1) n"
    );
    run(&app, &people).await;
    run(&app, "ANALYZE").await;
    app
}

/// Status, body and headers without what differs for everybody.
async fn shape(app: &App, path: &str, body: &Value) -> (u16, Value, Vec<String>) {
    let answer = send(app.request(Method::POST, path).json(body)).await;
    let mut body = answer.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    (answer.status, body, names)
}

/// Of a hundred samples that many are shorter.
fn percentile(samples: &[Duration], percent: usize) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * percent / 100]
}

/// How far the median of so scattered samples may lie from the true one by chance, once: the middle half of a normal
/// distribution is 1.349 deviations wide, and a median errs by 1.2533 deviations over the root of the count.
fn error_of_median(samples: &[Duration]) -> f64 {
    let half = percentile(samples, 75) - percentile(samples, 25);
    1.2533 / 1.349 * half.as_secs_f64() / (samples.len() as f64).sqrt()
}

/// The chance that a sample of the one kind is longer than one of the other: 0.5 tells nothing.
fn area(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one
        .iter()
        .map(|took| (*took, true))
        .chain(other.iter().map(|took| (*took, false)))
        .collect();
    all.sort_unstable();
    let ranks: usize = all
        .iter()
        .enumerate()
        .filter(|(_, (_, of_one))| *of_one)
        .map(|(rank, _)| rank + 1)
        .sum();
    let (n, m) = (one.len(), other.len());
    let area = (ranks - n * (n + 1) / 2) as f64 / (n * m) as f64;
    area.max(1.0 - area)
}

/// What two kinds of samples say of each other.
#[derive(Debug)]
struct Difference {
    /// Of the medians, in seconds.
    apart: f64,
    /// Four standard errors of `apart`, in seconds: small on a machine that does nothing else.
    noise: f64,
    area: f64,
}

impl Difference {
    fn tells(&self) -> bool {
        self.apart > self.noise.max(0.002) || self.area > 0.55
    }
}

/// Interleaved, in an order that alternates: what else the machine does falls on both alike.
async fn measure(app: &App, path: &str, body: impl Fn(&str) -> Value) -> Difference {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        for first in [n % 2 == 0, n % 2 == 1] {
            let body = body(&phone(first, n));
            let request = app.request(Method::POST, path).json(&body);
            let began = Instant::now();
            send(request).await;
            let took = began.elapsed();
            if first { &mut known } else { &mut unknown }.push(took);
        }
    }
    let medians = percentile(&known, 50).abs_diff(percentile(&unknown, 50));
    Difference {
        apart: medians.as_secs_f64(),
        noise: 4.0 * error_of_median(&known).hypot(error_of_median(&unknown)),
        area: area(&known, &unknown),
    }
}

/// The same words, and no time that tells: the difference of the medians is at most two milliseconds (or no more than chance
/// makes of so scattered samples), and longer or shorter is as good as a coin.
async fn assert_alike(app: &App, path: &str, status: u16, body: impl Fn(&str) -> Value) {
    let known = shape(app, path, &body(&phone(true, 0))).await;
    assert_eq!(known.0, status, "{path}: {}", known.1);
    assert_eq!(
        known,
        shape(app, path, &body(&phone(false, 0))).await,
        "{path}"
    );
    let mut difference = measure(app, path, &body).await;
    if difference.tells() {
        // Once more: a neighbour on the machine is no leak, a leak is there again.
        difference = measure(app, path, &body).await;
    }
    assert!(!difference.tells(), "{path}: {difference:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a3_known_and_unknown_phones_verify_alike() {
    let app = half_known().await;
    let body = |phone: &str| json!({"phone_number": phone, "code": "123456"});
    assert_alike(&app, "/api/auth/otp/verify/", 400, body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a3_known_and_unknown_phones_authenticate_alike() {
    let app = half_known().await;
    let body = |phone: &str| json!({"mobile_number": phone, "code": "12345678"});
    assert_alike(&app, "/api/authenticate/", 401, body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a3_known_and_unknown_phones_get_codes_alike() {
    let app = half_known().await;
    let body = |phone: &str| json!({"phone_number": phone});
    assert_alike(&app, "/api/auth/otp/request/", 200, body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a3_known_and_unknown_phones_that_must_be_proven_anew_answer_alike() {
    let app = half_known().await;
    let locked = format!(
        "INSERT INTO phone_failures SELECT '+98' || p || lpad(n::text, 7, '0'), 100, now() \
         FROM generate_series(0, {SAMPLES} - 1) n, unnest(ARRAY['918', '919']) p"
    );
    run(&app, &locked).await;
    let body = |phone: &str| json!({"phone_number": phone, "code": "123456"});
    assert_alike(&app, "/api/auth/otp/verify/", 429, body).await;
}

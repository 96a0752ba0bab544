//! Q-A2: budgets, and failures that survive a resend.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel_async::RunQueryDsl;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{App, E164, PHONE};
use crate::otp::wrong;

#[tokio::test]
async fn q_a2_five_codes_an_hour_and_ten_a_day_to_one_phone() {
    let app = App::start_with(&[
        ("BUDGETS__PHONE_PER_HOUR", "5"),
        ("BUDGETS__PHONE_PER_DAY", "10"),
    ])
    .await;
    // The start of an hour of UTC, so that the windows are known.
    let day = chrono::DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap();
    app.clock.set(day.to_utc());
    let mut sent = 0;
    for hour in 0..4 {
        for _ in 0..7 {
            let answer = app
                .post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
                .await;
            sent += u32::from(answer.status == 200);
            if answer.status != 200 {
                assert!(answer.header("retry-after").is_some());
                answer.expect(429);
            }
            app.advance(61);
        }
        assert_eq!(sent, [5, 10, 10, 10][hour], "hour {hour}");
        app.advance(3600 - 7 * 61);
    }
    // Another phone is another budget.
    app.post(
        "/api/auth/otp/request/",
        json!({"phone_number": "09351234567"}),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn q_a2_per_address_and_per_phone_throttles() {
    let app = App::start_with(&[
        ("BUDGETS__IP_SENDS_PER_MINUTE", "5"),
        ("BUDGETS__PHONE_SENDS_PER_MINUTE", "3"),
    ])
    .await;
    for _ in 0..3 {
        app.post("/api/auth/otp/request/", json!({"phone_number": "bad"}))
            .await
            .expect(400);
    }
    let body = app
        .post("/api/auth/otp/request/", json!({"phone_number": "bad"}))
        .await
        .expect(429);
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .starts_with("Request was throttled.")
    );
    for _ in 0..2 {
        app.post(
            "/api/auth/otp/request/",
            json!({"phone_number": uuid::Uuid::now_v7().to_string()}),
        )
        .await
        .expect(400);
    }
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(429);
}

#[tokio::test]
async fn q_a2_resending_resets_no_failures_and_a_proof_does() {
    let app = App::start().await;
    // A hundred wrong codes, five of each.
    for _ in 0..20 {
        app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
            .await
            .expect(200);
        let guess = json!({"phone_number": PHONE, "code": wrong(&app.code(E164).await)});
        for _ in 0..5 {
            app.post("/api/auth/otp/verify/", guess.clone())
                .await
                .expect(400);
        }
        app.advance(61);
    }
    let guess = json!({"phone_number": PHONE, "code": "123456"});
    let answer = app.post("/api/auth/otp/verify/", guess).await;
    assert_eq!(answer.body["code"], "auth.number_needs_proof");
    answer.expect(429);
    // Asking for another, by any route and at any time, meets the same ceiling; and so does the right code.
    for wait in [0, 86_400] {
        app.advance(wait);
        app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
            .await
            .expect(429);
        app.post("/api/otp/send/", json!({"mobile_number": "۰۹۱۲۱۲۳۴۵۶۷"}))
            .await
            .expect(429);
    }
    // A month of sweeping does not forget it either.
    app.advance(31 * 86_400);
    app.sweep().await;
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(429);

    let body = json!({"phone_number": PHONE});
    let sent = app.post("/api/auth/otp/reproof/", body.clone()).await;
    assert_eq!(sent.expect(200)["ttl"], 600);
    let long = app.code(E164).await;
    assert_eq!(long.len(), 10);
    // One attempt: the right one after a wrong one is too late, and the next code comes an hour later.
    let guess = |code: &str| json!({"phone_number": PHONE, "code": code});
    app.post("/api/auth/otp/reproof/verify/", guess(&wrong(&long)))
        .await
        .expect(400);
    app.post("/api/auth/otp/reproof/verify/", guess(&long))
        .await
        .expect(400);
    app.post("/api/auth/otp/reproof/", body.clone())
        .await
        .expect(429);
    app.advance(3600);
    app.post("/api/auth/otp/reproof/", body).await.expect(200);
    let long = app.code(E164).await;
    let proven = app
        .post("/api/auth/otp/reproof/verify/", guess(&long))
        .await;
    assert_eq!(proven.expect(200)["success"], true);
    assert_eq!(app.log_in(PHONE).await["success"], true);
}

#[tokio::test]
async fn q_f3_codes_are_safe_without_redis() {
    let app = App::start().await;
    // The limiter counts in the process, everything else never lived in Redis.
    app.state.stack.redis.close();
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(200);
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(429);
    let code = app.code(E164).await;
    for _ in 0..5 {
        app.post(
            "/api/auth/otp/verify/",
            json!({"phone_number": PHONE, "code": wrong(&code)}),
        )
        .await
        .expect(400);
    }
    app.post(
        "/api/auth/otp/verify/",
        json!({"phone_number": PHONE, "code": code}),
    )
    .await
    .expect(400);
}

/// Ten thousand numbers asked for from five hundred addresses: the budgets of addresses, networks, blocks and of all hold
/// together, and what is sent is what they allow.
async fn pump(app: &Arc<App>, numbers: usize) -> usize {
    let mut tasks = JoinSet::new();
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..16 {
        let (app, next) = (app.clone(), next.clone());
        tasks.spawn(async move {
            let mut sent = 0;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= numbers {
                    return sent;
                }
                // 500 addresses of 50 networks; numbers of 1,000 blocks.
                let host = u8::try_from(n % 10).unwrap();
                let net = u8::try_from(n / 10 % 50).unwrap();
                let address = IpAddr::from([198, 51, net, host + 1]);
                let phone = format!("09{:02}{:03}{:04}", 10 + n % 10, n / 10 % 100, n);
                let body = json!({"phone_number": phone});
                let answer = app.post_from(address, "/api/auth/otp/request/", body).await;
                match answer.status {
                    200 => sent += 1,
                    429 => assert!(answer.header("retry-after").is_some()),
                    other => panic!("{other}: {}", answer.body),
                }
            }
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a2_ten_thousand_numbers_from_five_hundred_addresses() {
    let app = App::start_with(&[
        ("BUDGETS__IP_PER_HOUR", "4"),
        ("BUDGETS__NETWORK_PER_HOUR", "12"),
        ("BUDGETS__GLOBAL_PER_HOUR", "500"),
    ])
    .await;
    let hour = chrono::DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap();
    app.clock.set(hour.to_utc());
    let app = Arc::new(app);
    let sent = pump(&app, 10_000).await;
    // 50 networks of 12 would be 600; the hour's 500 end it before.
    assert_eq!(sent, 500);
    assert_eq!(app.inbox.received_requests().await.unwrap().len(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a2_the_budgets_hold_without_redis() {
    let app = App::start_with(&[("BUDGETS__NETWORK_PER_HOUR", "3")]).await;
    let hour = chrono::DateTime::parse_from_rfc3339("2027-01-01T00:00:00Z").unwrap();
    app.clock.set(hour.to_utc());
    app.state.stack.redis.close();
    let app = Arc::new(app);
    assert_eq!(pump(&app, 2_000).await, 150);
}

/// Three guesses on each of ten thousand phones, each attacked from another network: how many were compared, and how many
/// calls met challenge mode.
async fn spray(app: &Arc<App>, phones: usize) -> (usize, usize) {
    let mut tasks = JoinSet::new();
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..8 {
        let (app, next) = (app.clone(), next.clone());
        tasks.spawn(async move {
            let (mut evaluated, mut challenged) = (0, 0);
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= phones {
                    return (evaluated, challenged);
                }
                let phone = format!("0937{n:07}");
                let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
                let address = IpAddr::from([10, high, low, 1]);
                let body = json!({"phone_number": phone, "code": "000000"});
                for _ in 0..3 {
                    let path = "/api/auth/otp/verify/";
                    let answer = app.post_from(address, path, body.clone()).await;
                    match answer.status {
                        400 => evaluated += 1,
                        428 => {
                            challenged += 1;
                            break;
                        }
                        other => panic!("{other}: {}", answer.body),
                    }
                }
            }
        });
    }
    let counts = tasks.join_all().await;
    counts
        .into_iter()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q_a2_a_spray_of_guesses_meets_challenge_mode() {
    let app = Arc::new(App::start_with(&[("SHIELD__CHALLENGE_LANE_PER_MINUTE", "1")]).await);
    // Each phone has asked for a code, whose hash nothing typed can match.
    let mut conn = app.db.db.get().await.unwrap();
    diesel::sql_query(
        "INSERT INTO one_time_codes (id, purpose, phone, code_hash, max_attempts, created_at, expires_at) \
         SELECT gen_random_uuid(), 'login_s4', '+98937' || lpad(n::text, 7, '0'), decode(repeat('00', 32), 'hex'), 5, now(), \
         now() + interval '1 day' FROM generate_series(0, 9999) n",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    drop(conn);
    let (evaluated, challenged) = spray(&app, 10_000).await;
    // More than two thousand; what the process gathers before it writes (a hundredth), what was under way, and the few that
    // the lane lets in each minute.
    assert!((2_000..=2_150).contains(&evaluated), "{evaluated}");
    assert!(challenged > 9_000, "{challenged}");
}

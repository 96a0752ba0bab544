//! Q-A2: budgets, and failures that survive a resend.

use serde_json::json;

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
async fn q_a2_resending_resets_no_failures() {
    let app = App::start_with(&[("BUDGETS__FAILURE_CEILING", "7")]).await;
    let mut failures = 0;
    for _ in 0..2 {
        app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
            .await
            .expect(200);
        let code = app.code(E164).await;
        for _ in 0..5 {
            let body = json!({"phone_number": PHONE, "code": wrong(&code)});
            let answer = app.post("/api/auth/otp/verify/", body).await;
            if failures < 7 {
                answer.expect(400);
                failures += 1;
            } else {
                answer.expect(429);
            }
        }
        app.advance(61);
    }
    // Asking for another, by another route, meets the same ceiling; an hour later it is over.
    app.post("/api/auth/otp/request/", json!({"phone_number": PHONE}))
        .await
        .expect(429);
    app.post("/api/otp/send/", json!({"mobile_number": PHONE}))
        .await
        .expect(429);
    app.advance(3600);
    let login = app.log_in(PHONE).await;
    assert_eq!(login["success"], true);
    // A success ends the row of failures.
    app.log_in(PHONE).await;
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

//! The block list, challenge mode, and numbers that an operator opens.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, App, E164, PHONE, send, text};
use crate::otp::wrong;
use crate::shield::{SHIELD, ask, operator, phone};

#[tokio::test]
async fn q_a2_a_source_of_wrong_codes_is_blocked_listed_and_unblocked() {
    let app = App::start_with(&[("SHIELD__SOURCE_FAILURES", "8")]).await;
    let mut blocked_after = None;
    for n in 0..4 {
        ask(&app, &phone(n)).await.expect(200);
        let code = app
            .code(common_types::PhoneNumber::parse(&phone(n)).unwrap().e164())
            .await;
        for tried in 0..4 {
            let body = json!({"phone_number": phone(n), "code": wrong(&code)});
            let answer = app.post("/api/auth/otp/verify/", body).await;
            if answer.status == 429 && blocked_after.is_none() {
                let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!(wait <= 900);
                blocked_after = Some(n * 4 + tried);
            }
        }
        if blocked_after.is_some() {
            break;
        }
    }
    assert_eq!(blocked_after, Some(9), "the ninth wrong code blocks");
    ask(&app, &phone(50)).await.expect(429);
    app.post("/api/otp/send/", json!({"mobile_number": phone(51)}))
        .await
        .expect(429);
    let token = operator(&app).await;
    let blocks = format!("{SHIELD}blocks/");
    let page = app.get(&blocks, &token).await.expect(200);
    assert_eq!(
        (&page["count"], &page["results"][0]["source"]),
        (&json!(1), &json!("127.0.0.1"))
    );
    let id = text(&page["results"][0], "id");
    app.call(
        Method::DELETE,
        &format!("{blocks}{id}/"),
        &token,
        Value::Null,
    )
    .await
    .expect(204);
    ask(&app, &phone(50)).await.expect(200);
    // An operator blocks a network for an hour; it ends by itself.
    let body = json!({"source": "127.0.0.9/24", "reason": "test", "seconds": 3600});
    let made = app
        .call(Method::POST, &blocks, &token, body)
        .await
        .expect(201);
    assert_eq!(made["source"], "127.0.0.0/24");
    ask(&app, &phone(52)).await.expect(429);
    app.advance(3600);
    ask(&app, &phone(52)).await.expect(200);
    let token = operator(&app).await;
    let bad = json!({"source": "0.0.0.0/0", "reason": "x", "seconds": 1});
    app.call(Method::POST, &blocks, &token, bad)
        .await
        .expect(400);
}

async fn challenged(app: &App, phone: &str) -> Answer {
    app.advance(120);
    let mut last = ask(app, phone).await;
    // The places without an answer run out.
    for n in 0..10 {
        if last.status == 428 {
            break;
        }
        last = ask(app, &format!("0935{n:07}")).await;
    }
    last
}

#[tokio::test]
async fn q_a2_too_many_wrong_codes_over_all_phones_start_challenge_mode() {
    let app = App::start_with(&[
        ("SHIELD__CHALLENGE_FAILURES", "20"),
        ("SHIELD__CHALLENGE_DIFFICULTY", "8"),
        ("SHIELD__CHALLENGE_LANE_PER_MINUTE", "3"),
    ])
    .await;
    // Two guesses on each of eleven phones: no phone's own counter is near its end.
    for n in 0..11 {
        ask(&app, &phone(n)).await.expect(200);
        let e164 = common_types::PhoneNumber::parse(&phone(n))
            .unwrap()
            .e164()
            .to_owned();
        let code = app.code(&e164).await;
        for _ in 0..2 {
            let body = json!({"phone_number": phone(n), "code": wrong(&code)});
            app.post("/api/auth/otp/verify/", body).await.expect(400);
        }
    }
    let refused = challenged(&app, &phone(100)).await;
    let demand = refused.expect(428);
    let (challenge, difficulty) = (text(&demand, "challenge"), demand["difficulty"].as_u64());
    assert_eq!(difficulty, Some(8));
    let answer = auth_otp::shield::solve(&challenge, 8);
    let with = |answer: String| {
        let request = app
            .request(Method::POST, "/api/auth/otp/request/")
            .header("X-Challenge-Answer", answer)
            .json(&json!({"phone_number": phone(101)}));
        send(request)
    };
    with(answer.clone()).await.expect(200);
    app.advance(61);
    // Once only.
    with(answer).await.expect(428);
    let token = operator(&app).await;
    let shown = app.get(SHIELD, &token).await.expect(200);
    assert_eq!(shown["challenge_mode"], true);
    assert_eq!(shown["failures_in_ten_minutes"], 22);
    // It ends by itself.
    app.advance(900);
    for n in 200..210 {
        ask(&app, &phone(n)).await.expect(200);
    }
}

#[tokio::test]
async fn an_operator_opens_a_number_that_was_proven_otherwise() {
    let app = App::start_with(&[("BUDGETS__FAILURE_CEILING", "5")]).await;
    ask(&app, PHONE).await.expect(200);
    let code = app.code(E164).await;
    for _ in 0..5 {
        let body = json!({"phone_number": PHONE, "code": wrong(&code)});
        app.post("/api/auth/otp/verify/", body).await.expect(400);
    }
    app.advance(61);
    ask(&app, PHONE).await.expect(429);
    let token = operator(&app).await;
    let path = "/api/admin/auth-otp/phones/unlock/";
    let body = json!({"phone_number": PHONE});
    app.call(Method::POST, path, &token, body.clone())
        .await
        .expect(400);
    let body = json!({"phone_number": PHONE, "reason": "identity card at the desk"});
    let opened = app.call(Method::POST, path, &token, body).await.expect(200);
    assert_eq!(opened["failures"], 5);
    ask(&app, PHONE).await.expect(200);
}

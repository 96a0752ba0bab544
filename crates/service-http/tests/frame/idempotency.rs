use actix_web::http::StatusCode;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use serde_json::json;
use service_http::idempotency::{Asked, Refusal, Stored, begin, begin_all, finish_all};
use service_testing::TestService;

use crate::fixture::Fixture;

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn things(service: &TestService<Fixture>) -> i64 {
    let mut conn = service.database.db.get().await.unwrap();
    let row: Count = diesel::sql_query("SELECT count(*) AS count FROM things")
        .get_result(&mut conn)
        .await
        .unwrap();
    row.count
}

async fn pay(
    service: &TestService<Fixture>,
    token: &str,
    key: &str,
    body: serde_json::Value,
) -> (u16, String, bool) {
    let request = service
        .post("/money")
        .bearer_auth(token)
        .header("idempotency-key", key)
        .json(&body);
    let response = request.send().await.unwrap();
    let replayed = response.headers().contains_key("idempotency-replayed");
    (
        response.status().as_u16(),
        response.text().await.unwrap(),
        replayed,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_one_key_has_one_effect_and_one_answer() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    let first = pay(&service, &token, "k", json!({"name": "a"})).await;
    assert_eq!((first.0, first.2), (201, false));
    for _ in 0..3 {
        let again = pay(&service, &token, "k", json!({"name": "a"})).await;
        assert_eq!(again, (201, first.1.clone(), true), "the same bytes");
    }
    let other = pay(&service, &token, "k", json!({"name": "b"})).await;
    assert_eq!(other.0, 422);
    assert!(other.1.contains("idempotency.other_body"));
    assert_eq!(things(&service).await, 1);
    let stranger = service.issuer.access(|_| {});
    assert_eq!(
        pay(&service, &stranger, "k", json!({"name": "b"})).await.0,
        201,
        "keys are everyone's own"
    );
    assert_eq!(things(&service).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_parallel_requests_with_one_key_have_one_effect() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    let answers = futures_util::future::join_all(
        (0..100).map(|_| pay(&service, &token, "k", json!({"name": "a"}))),
    )
    .await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.0 == 201).collect();
    assert!(!done.is_empty());
    assert!(done.iter().all(|answer| answer.1 == done[0].1));
    assert!(answers.iter().all(|answer| matches!(answer.0, 201 | 409)));
    assert_eq!(things(&service).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_refused_request_leaves_no_effect_and_no_answer() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    let refused = pay(&service, &token, "k", json!({"name": "a", "fail": true})).await;
    assert_eq!(refused.0, 409);
    assert_eq!(things(&service).await, 0);
    assert_eq!(
        pay(&service, &token, "k", json!({"name": "b"})).await.0,
        201,
        "nothing was kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_answers_are_kept_seven_days() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    let first = pay(&service, &token, "k", json!({"name": "a"})).await;
    let age = async |interval: &str| {
        let mut conn = service.database.db.get().await.unwrap();
        diesel::sql_query(format!(
            "UPDATE idempotency_keys SET created_at = now() - interval '{interval}'"
        ))
        .execute(&mut conn)
        .await
        .unwrap();
        service_http::idempotency::sweep(&mut conn).await.unwrap()
    };
    assert_eq!(age("6 days 23 hours").await, 0);
    assert_eq!(
        pay(&service, &token, "k", json!({"name": "a"})).await.1,
        first.1
    );
    assert_eq!(age("7 days 1 hour").await, 1);
    assert_ne!(
        pay(&service, &token, "k", json!({"name": "a"})).await.1,
        first.1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_a_missing_or_bad_key_is_400() {
    let service = TestService::<Fixture>::start().await;
    let token = service.issuer.access(|_| {});
    let missing = service
        .post("/money")
        .bearer_auth(&token)
        .json(&json!({"name": "a"}))
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), 400);
    assert_eq!(
        pay(&service, &token, &"x".repeat(256), json!({"name": "a"}))
            .await
            .0,
        400
    );
    assert_eq!(things(&service).await, 0);
}

/// One request of a test among many.
fn asked<'a>(subject: &'a str, key: &'a str) -> Asked<'a> {
    let (route, body_hash) = ("/money", b"hash".as_slice());
    Asked {
        subject,
        route,
        key,
        body_hash,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m1_of_many_keys_the_free_ones_are_told_and_their_answers_kept() {
    let service = TestService::<Fixture>::start().await;
    let mut one = service.database.db.get().await.unwrap();
    let mut two = service.database.db.get().await.unwrap();
    let answer = |text: &str| Stored::json(StatusCode::CREATED, &json!({"said": text})).unwrap();
    let (first, second) = (answer("first"), answer("second"));
    one.batch_execute("BEGIN").await.unwrap();
    // The same key of another subject is another key; a second of the same is not free.
    let all = [
        asked("s", "a"),
        asked("s", "b"),
        asked("t", "a"),
        asked("s", "a"),
    ];
    assert_eq!(
        begin_all(&mut one, &all).await.unwrap(),
        [true, true, true, false]
    );
    let kept = [(all[0], &first), (all[1], &second)];
    finish_all(&mut one, &kept).await.unwrap();
    // Meanwhile they are in flight for others, alone or together.
    two.batch_execute("BEGIN").await.unwrap();
    let others = [asked("s", "a"), asked("s", "c"), asked("t", "a")];
    assert_eq!(
        begin_all(&mut two, &others).await.unwrap(),
        [false, true, false]
    );
    let alone = begin(&mut two, ("s", "/money"), "b", b"hash")
        .await
        .unwrap();
    assert!(matches!(alone, Some(Err(Refusal::InFlight))));
    two.batch_execute("COMMIT").await.unwrap();
    one.batch_execute("COMMIT").await.unwrap();
    // Afterwards they have their answers.
    two.batch_execute("BEGIN").await.unwrap();
    assert_eq!(
        begin_all(&mut two, &all).await.unwrap(),
        [false, false, true, false]
    );
    two.batch_execute("COMMIT").await.unwrap();
    let again = begin(&mut two, ("s", "/money"), "b", b"hash")
        .await
        .unwrap();
    let again = again.unwrap().unwrap();
    assert_eq!((again.body, again.replayed), (second.body, true));
    // After seven days they are free, and their rows make room.
    let old = "UPDATE idempotency_keys SET created_at = now() - interval '7 days 1 hour'";
    two.batch_execute(old).await.unwrap();
    two.batch_execute("BEGIN").await.unwrap();
    assert_eq!(begin_all(&mut two, &all[..2]).await.unwrap(), [true, true]);
    let third = answer("third");
    finish_all(&mut two, &[(all[0], &third), (all[1], &third)])
        .await
        .unwrap();
    two.batch_execute("COMMIT").await.unwrap();
    let again = begin(&mut two, ("s", "/money"), "a", b"hash")
        .await
        .unwrap();
    assert_eq!(again.unwrap().unwrap().body, third.body);
}

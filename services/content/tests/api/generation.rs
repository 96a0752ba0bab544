use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use service_testing::{eventually, eventually_stepping};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header_exists, method, path},
};

use crate::support::{Draft, Workshop, keys};

async fn integrations(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let last = answers.len();
    for (n, answer) in answers.into_iter().enumerate() {
        let mock = Mock::given(method("POST"))
            .and(path("/internal/ai/generate/"))
            .and(header_exists("authorization"))
            .respond_with(answer);
        let mock = if n + 1 == last {
            mock
        } else {
            mock.up_to_n_times(1)
        };
        mock.mount(&server).await;
    }
    server
}

fn written(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "text": text, "model": "extractive-1", "provider": "builtin", "cost_micros": 1500, "duration_ms": 12,
        "usage": {"prompt_tokens": 100, "completion_tokens": 200, "total_tokens": 300}
    }))
}

async fn shop(server: &MockServer) -> Workshop {
    Workshop::open_with(|setup| setup.set("peers.integrations", server.uri())).await
}

async fn generate(shop: &Workshop, draft: Draft) -> Value {
    shop.post(
        &shop.writer,
        &format!("/api/contents/{}/generate/", draft.content),
        json!({"kind": "draft"}),
    )
    .await
    .is(202)
}

/// Waits until the job ended; the clock stands still, so what waits for its next try is brought forward.
async fn ended(shop: &Workshop, job: &Value) -> Value {
    let path = format!("/api/ai/jobs/{job}/");
    let (clock, step) = (&shop.service.clock, TimeDelta::seconds(4));
    eventually_stepping(clock, step, Duration::from_secs(30), async || {
        let job = shop.get(&shop.viewer, &path).await.ok();
        matches!(job["status"].as_str(), Some("completed" | "failed"))
    })
    .await;
    shop.get(&shop.viewer, &path).await.ok()
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests: Vec<Request> = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| request.body_json().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_generation_ends_in_review_with_a_version() {
    let server = integrations(vec![written(" متن تازه دربارهٔ خواب ")]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    assert_eq!(keys(&started), ["content", "job_id", "message", "status"]);
    assert_eq!(
        (&started["status"], &started["message"]),
        (&json!("pending"), &json!("Content generation started"))
    );
    assert_eq!(started["content"]["status"], "in_progress");
    let again = shop
        .post(
            &shop.writer,
            &format!("/api/contents/{}/generate/", draft.content),
            json!({"kind": "draft"}),
        )
        .await;
    assert_eq!(again.is(409)["error"], "Content generation is in progress");
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        keys(&job),
        [
            "completed_at",
            "content",
            "content_title",
            "created_at",
            "error_message",
            "id",
            "kind",
            "params",
            "result_data",
            "retry_count",
            "started_at",
            "status",
            "updated_at",
            "user",
            "user_name",
            "workspace",
            "workspace_name"
        ]
    );
    assert_eq!(
        (&job["status"], &job["kind"], &job["user"]),
        (&json!("completed"), &json!("draft"), &json!(14))
    );
    assert_eq!(job["result_data"]["usage"]["total_tokens"], 300);
    let content = shop
        .get(&shop.viewer, &format!("/api/contents/{}/", draft.content))
        .await
        .ok();
    assert_eq!(
        (&content["status"], &content["body"]),
        (&json!("review"), &json!("متن تازه دربارهٔ خواب"))
    );
    assert_eq!(
        (&content["word_count"], &content["metadata"]["tokens_used"]),
        (&json!(4), &json!(300))
    );
    let versions = shop
        .get(
            &shop.viewer,
            &format!("/api/contents/{}/versions/", draft.content),
        )
        .await
        .ok();
    assert_eq!(
        (&versions[0]["version_number"], &versions[0]["ai_job"]),
        (&json!(1), &started["job_id"])
    );
    let prompt = shop
        .get(&shop.viewer, &format!("/api/prompts/{}/", draft.prompt))
        .await
        .ok();
    assert_eq!(prompt["usage_count"], 1);
    let sent = bodies(&server).await;
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0]["prompt"]
            .as_str()
            .unwrap()
            .starts_with("Write about sleep.\n"),
        "{}",
        sent[0]["prompt"]
    );
    assert_eq!(sent[0]["organization_id"], shop.organization.to_string());
    assert_eq!(sent[0]["workspace_id"], shop.workspace.to_string());
    let approved = shop
        .post(
            &shop.editor,
            &format!("/api/contents/{}/approve/", draft.content),
            json!({}),
        )
        .await
        .ok();
    assert_eq!(approved["status"], "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_no_answer_is_asked_again_under_the_same_key() {
    let server = integrations(vec![
        ResponseTemplate::new(503),
        ResponseTemplate::new(502),
        written("text"),
    ])
    .await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        (&job["status"], &job["retry_count"], &job["error_message"]),
        (&json!("completed"), &json!(2), &json!(null))
    );
    let keys: Vec<String> = bodies(&server)
        .await
        .iter()
        .map(|body| body["reservation_key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_failed_generation_leaves_a_draft() {
    let server = integrations(vec![ResponseTemplate::new(500)]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        (&job["status"], &job["error_message"]),
        (&json!("failed"), &json!("The AI service did not answer."))
    );
    assert_eq!(
        bodies(&server).await.len(),
        5,
        "the first try and four more"
    );
    let content = shop
        .get(&shop.viewer, &format!("/api/contents/{}/", draft.content))
        .await
        .ok();
    assert_eq!(
        (&content["status"], &content["body"]),
        (&json!("draft"), &json!(""))
    );
    assert_eq!(
        generate(&shop, draft).await["status"],
        "pending",
        "it may be asked for again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_a_limit_found_by_integrations_ends_the_job() {
    let refusal = json!({"scope": "workspace", "kind": "cost", "limit": 1_000_000, "used": 1_500_000, "period": "monthly", "reset_at": null});
    let server = integrations(vec![ResponseTemplate::new(402).set_body_json(refusal)]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        (&job["status"], &job["error_message"]),
        (
            &json!("failed"),
            &json!("Monthly budget exceeded: $1.50/$1.00")
        )
    );
    assert_eq!(
        bodies(&server).await.len(),
        1,
        "a spent limit is not asked again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_personal_data_never_leaves_for_the_ai_and_comes_back() {
    let server = integrations(vec![written("Call [PHONE_1] or [EMAIL_1].")]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let path = format!("/api/contents/{}/", draft.content);
    shop.patch(
        &shop.editor,
        &path,
        json!({"prompt_variables": {"topic": "۰۹۱۲۱۲۳۴۵۶۷ and a@b.ir"}}),
    )
    .await
    .ok();
    let started = generate(&shop, draft).await;
    shop.service.start_worker();
    ended(&shop, &started["job_id"]).await;
    let sent = bodies(&server).await[0].to_string();
    assert!(
        sent.contains("[PHONE_1]") && !sent.contains("۰۹۱۲۱۲۳۴۵۶۷") && !sent.contains("a@b.ir"),
        "{sent}"
    );
    let content = shop.get(&shop.viewer, &path).await.ok();
    assert_eq!(content["body"], "Call ۰۹۱۲۱۲۳۴۵۶۷ or a@b.ir.");
    assert_eq!(content["has_pii"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_the_job_of_a_dead_worker_is_taken_by_another() {
    let server = integrations(vec![written("text")]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.execute("UPDATE ai_jobs SET status = 'running', started_at = now(), claimed_until = now() + interval '10 seconds'").await;
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        (&job["status"], &job["retry_count"]),
        (&json!("completed"), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_content_deleted_meanwhile_keeps_its_job() {
    let server = integrations(vec![written("text")]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.delete(&shop.editor, &format!("/api/contents/{}/", draft.content))
        .await
        .is(204);
    shop.service.start_worker();
    let job = ended(&shop, &started["job_id"]).await;
    assert_eq!(
        (&job["status"], &job["content"]),
        (&json!("completed"), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_many_jobs_on_two_workers_are_each_done_once() {
    let server = integrations(vec![written("text")]).await;
    let mut shop = shop(&server).await;
    let draft = shop.draft().await;
    for n in 0..8 {
        let body = json!({"title": format!("C{n}"), "project": draft.project});
        let content = shop
            .post(&shop.editor, "/api/contents/", body)
            .await
            .created();
        shop.post(
            &shop.editor,
            &format!("/api/contents/{}/generate/", content["id"]),
            json!({"kind": "outline"}),
        )
        .await
        .is(202);
    }
    shop.service.start_worker();
    let second = service_testing::ServiceSetup::new()
        .set("peers.integrations", server.uri())
        .database(std::sync::Arc::clone(&shop.service.database))
        .clock(shop.service.clock.clone());
    let mut second: service_testing::TestService<content::ContentService> = second.start().await;
    second.start_worker();
    eventually(Duration::from_secs(20), async || {
        shop.get(&shop.viewer, "/api/ai/jobs/?status=completed")
            .await
            .ok()["count"]
            == 8
    })
    .await;
    let keys: std::collections::BTreeSet<String> = bodies(&server)
        .await
        .iter()
        .map(|body| body["reservation_key"].to_string())
        .collect();
    assert_eq!((keys.len(), bodies(&server).await.len()), (8, 8));
    assert_eq!(
        shop.get(&shop.viewer, "/api/versions/").await.ok()["count"],
        8
    );
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_a_slow_call_keeps_its_claim() {
    let server = integrations(vec![written("text").set_delay(Duration::from_secs(3))]).await;
    let setup = |setup: service_testing::ServiceSetup| {
        setup
            .set("peers.integrations", server.uri())
            .set("generation.claim_seconds", 3)
    };
    let mut shop = Workshop::open_with(setup).await;
    let draft = shop.draft().await;
    let started = generate(&shop, draft).await;
    shop.service.start_worker();
    eventually(Duration::from_secs(10), async || {
        !bodies(&server).await.is_empty()
    })
    .await;
    let path = format!("/api/ai/jobs/{}/", started["job_id"]);
    let clock = shop.service.clock.clone();
    eventually(Duration::from_secs(20), async || {
        // Slower than the renewals, and far beyond the first claim in all.
        clock.advance(TimeDelta::milliseconds(200));
        shop.get(&shop.viewer, &path).await.ok()["status"] == "completed"
    })
    .await;
    let job = shop.get(&shop.viewer, &path).await.ok();
    assert_eq!(
        (&job["retry_count"], bodies(&server).await.len()),
        (&json!(0), 1)
    );
}

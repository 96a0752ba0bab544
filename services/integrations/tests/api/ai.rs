//! AI calls, their limits and their cost.

use common_types::ClinicRole;
use futures_util::future::join_all;
use serde_json::{Value, json};
use service_testing::{eventually, published_events};
use uuid::Uuid;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use crate::support::{SOON, Setup, World, answer};

pub(crate) fn request(world: &World, key: &str, workspace: Option<Uuid>) -> Value {
    json!({"purpose": "content_generation", "prompt": "درباره دیابت بنویس", "max_tokens": 600, "temperature": 0.7,
        "user_id": Uuid::nil(), "organization_id": world.organization, "workspace_id": workspace, "reservation_key": key})
}

pub(crate) async fn generate(world: &World, body: &Value) -> (u16, Value) {
    answer(world.as_service("content", "/internal/ai/generate/", body)).await
}

pub(crate) async fn limit(world: &World, scope: &str, id: Uuid, kind: &str, value: i64) {
    use diesel_async::RunQueryDsl;
    let sql = format!(
        "INSERT INTO usage_limits (id, organization_id, scope, scope_id, period, {kind}, version, changed_at) \
         VALUES (gen_random_uuid(), '{}', '{scope}', '{id}', 'monthly', {value}, 1, now())",
        world.organization
    );
    let mut conn = world.service.database.db.get().await.unwrap();
    diesel::sql_query(sql).execute(&mut conn).await.unwrap();
}

async fn openai(world_limits: u64) -> (World, MockServer) {
    let server = MockServer::start().await;
    let body = json!({"model": "gpt-4", "choices": [{"message": {"content": "hello"}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}});
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(body)
                .set_delay(std::time::Duration::from_millis(world_limits)),
        )
        .mount(&server)
        .await;
    let settings = vec![
        ("openai.api_key", "sk-canary-openai".to_owned()),
        ("openai.base_url", server.uri()),
    ];
    (
        World::with(Setup {
            settings,
            ..Setup::default()
        })
        .await,
        server,
    )
}

#[tokio::test]
async fn i04_a_text_is_made_and_names_its_maker() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Doctor);
    let body = json!({"prompt": "متن ورودی درباره سردرد", "max_tokens": 1000, "temperature": 0.7, "analysis_type": "symptoms"});
    let (status, made) = answer(
        world
            .service
            .post("/api/integrations/ai/generate/")
            .bearer_auth(&token)
            .json(&body),
    )
    .await;
    assert_eq!(
        (status, &made["success"], &made["model"]),
        (200, &json!(true), &json!("tabib-extractive-1")),
        "{made}"
    );
    assert!(
        made["text"]
            .as_str()
            .unwrap()
            .contains("tabib-extractive-1"),
        "the text says so too"
    );
    assert!(made["usage"]["total_tokens"].as_i64().unwrap() > 0);
    for (field, value) in [
        ("prompt", json!("x".repeat(5_001))),
        ("max_tokens", json!(4_001)),
        ("temperature", json!(3)),
        ("analysis_type", json!("magic")),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        let (status, refused) = answer(
            world
                .service
                .post("/api/integrations/ai/generate/")
                .bearer_auth(&token)
                .json(&wrong),
        )
        .await;
        assert_eq!(status, 400, "{field}");
        assert!(refused[field].is_array(), "{refused}");
    }
    let unknown = world
        .service
        .post("/api/integrations/ai/generate/?provider=nobody")
        .bearer_auth(&token)
        .json(&body);
    let (status, refused) = answer(unknown).await;
    assert_eq!(
        (status, refused),
        (
            500,
            json!({"success": false, "error": "Provider nobody not found or inactive"})
        )
    );
}

#[tokio::test]
async fn i06_a_live_provider_is_preferred_and_its_refusal_shown() {
    let (world, server) = openai(0).await;
    let token = world.staff(ClinicRole::Doctor);
    let post = async || {
        let body = json!({"prompt": "hi"});
        answer(
            world
                .service
                .post("/api/integrations/ai/generate/?provider=openai")
                .bearer_auth(&token)
                .json(&body),
        )
        .await
    };
    let (status, made) = post().await;
    assert_eq!(
        (status, &made["text"], &made["usage"]["total_tokens"]),
        (200, &json!("hello"), &json!(50))
    );
    server.reset().await;
    let quota = json!({"error": {"message": "quota", "code": "insufficient_quota"}});
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).set_body_json(quota))
        .mount(&server)
        .await;
    let (status, refused) = post().await;
    assert_eq!(
        (status, refused),
        (400, json!({"success": false, "error": "quota"}))
    );
    let events = published_events(&world.service.database.db).await;
    let usage: Vec<&Value> = events
        .iter()
        .filter(|e| e.name == "integrations.ai_usage_recorded")
        .map(|e| &e.payload)
        .collect();
    assert_eq!(usage.len(), 2);
    assert_eq!(
        (&usage[0]["success"], &usage[0]["cost_micros"]),
        (&json!(true), &json!(2_400))
    );
    assert_eq!(
        (&usage[1]["success"], &usage[1]["error_code"]),
        (&json!(false), &json!("provider.429"))
    );
}

#[tokio::test]
async fn c04_parallel_calls_never_pass_a_limit() {
    let (world, server) = openai(100).await;
    let workspace = Uuid::now_v7();
    limit(&world, "workspace", workspace, "requests_limit", 5).await;
    let requests: Vec<Value> = (0..20)
        .map(|n| request(&world, &format!("k{n}"), Some(workspace)))
        .collect();
    let answers = join_all(requests.iter().map(|body| generate(&world, body))).await;
    let made = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status == 402)
        .collect();
    assert_eq!((made, refused.len()), (5, 15));
    assert_eq!(
        (&refused[0].1["scope"], &refused[0].1["kind"]),
        (&json!("workspace"), &json!("requests"))
    );
    assert_eq!(
        (&refused[0].1["limit"], &refused[0].1["period"]),
        (&json!(5), &json!("monthly"))
    );
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        5,
        "a refused call never reaches the provider"
    );
}

#[tokio::test]
async fn c04_a_failed_call_gives_its_reservation_back() {
    let (world, server) = openai(0).await;
    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(400).set_body_json(json!({"error": {"message": "no"}})))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let body = json!({"model": "gpt-4", "choices": [{"message": {"content": "ok"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    limit(
        &world,
        "organization",
        world.organization,
        "requests_limit",
        1,
    )
    .await;
    assert_eq!(generate(&world, &request(&world, "k1", None)).await.0, 502);
    assert_eq!(
        generate(&world, &request(&world, "k1", None)).await.0,
        200,
        "the same key may try again"
    );
    assert_eq!(generate(&world, &request(&world, "k2", None)).await.0, 402);
}

#[tokio::test]
async fn the_same_key_is_made_and_charged_once() {
    let (world, server) = openai(0).await;
    let body = request(&world, "k1", None);
    let (_, first) = generate(&world, &body).await;
    let (status, second) = generate(&world, &body).await;
    assert_eq!((status, &second), (200, &first));
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    let events = published_events(&world.service.database.db).await;
    assert_eq!(
        events
            .iter()
            .filter(|event| event.name == "integrations.ai_usage_recorded")
            .count(),
        1
    );
}

#[tokio::test]
async fn c04_a_limit_arrives_by_event_and_newer_versions_win() {
    use common_types::events::content::{LimitPeriod, LimitScope, UsageLimitChanged};
    let mut world = World::start().await;
    world.service.start_worker();
    let limit_id = Uuid::now_v7();
    let change = |version: i64, requests: i64| UsageLimitChanged {
        limit_id,
        aggregate_version: version,
        organization_id: world.organization,
        scope: LimitScope::Organization,
        scope_id: world.organization,
        requests_limit: Some(requests),
        tokens_limit: None,
        cost_limit_micros: None,
        period: LimitPeriod::Monthly,
        is_deleted: false,
        changed_at: chrono::Utc::now(),
    };
    let mut conn = world.service.database.db.get().await.unwrap();
    for event in [change(2, 0), change(1, 100)] {
        service_events::outbox::emit(&mut conn, "content", &event, chrono::Utc::now())
            .await
            .unwrap();
    }
    drop(conn);
    eventually(SOON, async || {
        generate(&world, &request(&world, &Uuid::now_v7().to_string(), None))
            .await
            .0
            == 402
    })
    .await;
}

#[tokio::test]
async fn y_a_conversation_is_summed_up_by_the_built_in_summariser() {
    let world = World::start().await;
    let at = "2026-11-21T08:00:00Z";
    let body = json!({"language": "fa", "organization_id": world.organization, "user_id": null, "messages": [
        {"author": "patient", "text": "سلام. از دیروز تب ۳۹ و سرفه دارم.", "at": at},
        {"author": "doctor", "text": "هر ۸ ساعت یک قرص استامینوفن بخورید. اگر تنگی نفس داشتید مراجعه کنید.", "at": at}]});
    let (status, made) = answer(world.as_service("chat", "/internal/ai/summarize/", &body)).await;
    assert_eq!(
        (status, &made["model"]),
        (200, &json!("tabib-extractive-1")),
        "{made}"
    );
    assert!(
        made["summary_text"]
            .as_str()
            .unwrap()
            .contains("استامینوفن")
    );
    assert!(made["content"].as_str().unwrap().contains("بیمار: "));
}

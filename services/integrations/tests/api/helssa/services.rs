//! `test_services.py`, 11 tests.

use common_types::ClinicRole;
use provider_simulators::{openai::AiBehaviour, sandbox::signature};
use serde_json::{Value, json};

use super::{
    SECRET, asked, kavenegar_alone, otp, paid, post, provider, received, register, send, signed,
};
use crate::{
    ai_support::AiWorld,
    outgoing_support::call,
    rate_rules::{add, rule},
    support::{World, answer},
};

const REFUSED: &str = "تعداد درخواست‌ها بیش از حد مجاز است";

#[tokio::test]
async fn helssa_send_otp_success() {
    let world = kavenegar_alone(|_| {}).await;
    let (status, sent) = send(&world, otp()).await;
    assert_eq!((status, &sent["success"]), (200, &json!(true)), "{sent}");
    let seen = asked(&world, "verify/lookup.json");
    assert_eq!(seen.len(), 1, "one call of verify/lookup.json");
    assert_eq!(
        (
            &seen[0]["receptor"],
            &seen[0]["token"],
            &seen[0]["template"]
        ),
        (&json!("09123456789"), &json!("12345"), &json!("verify"))
    );
    assert_eq!(sent["cost"], 120, "as the vendor says");
    assert!(sent["message_id"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn helssa_send_otp_failure() {
    let world = kavenegar_alone(|behaviour| behaviour.fail_with = Some(418)).await;
    let (status, refused) = send(&world, otp()).await;
    assert_eq!(
        (status, &refused["success"], &refused["error"]),
        (400, &json!(false), &json!("اعتبار شما کافی نمی‌باشد")),
        "{refused}"
    );
    assert!(refused.get("message_id").is_none());
}

#[tokio::test]
async fn helssa_send_pattern() {
    let world = kavenegar_alone(|_| {}).await;
    let body = json!({"receptor": "09123456789", "message_type": "pattern", "template": "portal-credentials",
        "tokens": {"token": "ABC", "token2": "xyz"}});
    let (status, sent) = send(&world, body).await;
    assert_eq!(status, 200, "{sent}");
    assert!(sent["message_id"].as_i64().unwrap() > 0);
    let seen = asked(&world, "verify/lookup.json");
    assert_eq!(
        (&seen[0]["token"], &seen[0]["token2"], &seen[0]["template"]),
        (&json!("ABC"), &json!("xyz"), &json!("portal-credentials"))
    );
}

#[tokio::test]
async fn helssa_rate_limiting() {
    let world = kavenegar_alone(|_| {}).await;
    add(&world, &world.admin(), &rule("send_*", 5, 3_600, "user")).await;
    let token = world.staff(ClinicRole::Secretary);
    let send = async || {
        let path = "/api/integrations/sms/send/";
        answer(world.service.post(path).bearer_auth(&token).json(&otp())).await
    };
    for _ in 0..5 {
        assert_eq!(send().await.0, 200);
    }
    let (status, refused) = send().await;
    assert_eq!(
        (status, refused),
        (429, json!({"success": false, "error": REFUSED}))
    );
    assert_eq!(
        asked(&world, "verify/lookup.json").len(),
        5,
        "the vendor was not asked"
    );
}

async fn ask(ai: &AiWorld, body: &Value) -> (u16, Value) {
    let token = ai.world.staff(ClinicRole::Doctor);
    let path = "/api/integrations/ai/generate/?provider=openai";
    answer(ai.world.service.post(path).bearer_auth(token).json(body)).await
}

#[tokio::test]
async fn helssa_generate_text_success() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    ai.openai(AiBehaviour {
        reply: Some("hello".to_owned()),
        ..AiBehaviour::default()
    });
    let (status, made) = ask(&ai, &json!({"prompt": "test"})).await;
    assert_eq!(
        (status, &made["success"], &made["text"], &made["model"]),
        (200, &json!(true), &json!("hello"), &json!("gpt-4")),
        "{made}"
    );
    assert!(made["usage"]["total_tokens"].as_i64().unwrap() > 0);
    let sent = &ai.world.simulators.state.openai.calls()[0].body;
    assert_eq!(
        (&sent["max_tokens"], &sent["temperature"]),
        (&json!(1_000), &json!(0.7)),
        "the documented defaults"
    );
}

#[tokio::test]
async fn helssa_analyze_medical_text() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let body = json!({"prompt": "سردرد", "analysis_type": "symptoms", "temperature": 1.9, "max_tokens": 5,
        "patient_context": {"age": 35, "gender": "male"}});
    let (status, made) = ask(&ai, &body).await;
    assert_eq!((status, &made["success"]), (200, &json!(true)), "{made}");
    let sent = &ai.world.simulators.state.openai.calls()[0].body;
    assert_eq!(
        (&sent["temperature"], &sent["max_tokens"]),
        (&json!(0.3), &json!(1_500)),
        "an analysis ignores the caller's"
    );
    let asked = sent["messages"].to_string();
    assert!(asked.contains("سردرد") && asked.contains("35"), "{asked}");
}

#[tokio::test]
async fn helssa_default_base_url() {
    let world = World::start().await;
    let simulated = format!("{}/kavenegar", world.simulators.base_url);
    for (slug, url) in [
        ("openai", "https://api.openai.com/v1"),
        ("kavenegar", simulated.as_str()),
    ] {
        let (_, provider) = call(&world, "GET", &format!("providers/{slug}/"), json!({})).await;
        assert_eq!(provider["api_base_url"], url, "{slug}");
    }
}

#[tokio::test]
async fn helssa_verify_signature_valid() {
    let world = World::start().await;
    register(&world, "s", json!({"scheme": "x_signature"})).await;
    assert_eq!(signed(&world, "s", &paid("e1")).await.0, 200);
    assert_eq!(received(&world).await.len(), 1);
}

#[tokio::test]
async fn helssa_verify_signature_invalid() {
    let world = World::start().await;
    register(&world, "s", json!({"scheme": "x_signature"})).await;
    let body = paid("e1");
    let other = signature("another secret", body.as_bytes());
    let prefixed = format!("sha256={}", signature(SECRET, body.as_bytes()));
    for bad in ["invalid_signature", other.as_str(), prefixed.as_str()] {
        assert_eq!(post(&world, "s", Some(bad), &body).await.0, 401, "{bad}");
    }
    assert!(received(&world).await.is_empty());
}

#[tokio::test]
async fn helssa_register_webhook() {
    let world = World::start().await;
    let body = json!({"provider": provider(&world, "sandbox").await, "name": "x", "endpoint_url": "made",
        "generate_secret": true, "events": ["payment.success", "payment.failed"]});
    let (status, made) = call(&world, "POST", "webhooks/", body).await;
    assert_eq!(
        (status, &made["events"]),
        (201, &json!(["payment.success", "payment.failed"]))
    );
    let secret = made["secret_key"].as_str().unwrap();
    assert!(secret.len() >= 43 && made["id"].is_string());
    let body = paid("e1");
    let good = signature(secret, body.as_bytes());
    assert_eq!(post(&world, "made", Some(&good), &body).await.0, 200);
    let (_, missing) = call(&world, "POST", "webhooks/", json!({})).await;
    for field in ["provider", "name", "endpoint_url", "secret_key"] {
        assert_eq!(
            missing[field],
            json!(["This field is required."]),
            "{field}"
        );
    }
}

#[tokio::test]
async fn helssa_health_check() {
    let world = World::start().await;
    register(&world, "later", json!({"events": []})).await;
    signed(&world, "later", &paid("e1")).await;
    let (status, health) = call(&world, "GET", "webhooks/health-check/", json!({})).await;
    assert_eq!(
        (status, health),
        (
            200,
            json!({"status": "healthy", "active_webhooks": 1, "pending_events": 1})
        )
    );
}

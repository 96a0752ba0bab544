//! Providers of texts: what they are asked, and what happens on their bad days.

use common_types::ClinicRole;
use provider_simulators::openai::AiBehaviour;
use serde_json::{Value, json};

use crate::{
    ai_support::{AiWorld, KEY, data_of, open_reservations, question},
    support::answer,
};

async fn ask(ai: &AiWorld, query: &str, body: &Value) -> (u16, Value) {
    let token = ai.world.staff(ClinicRole::Doctor);
    let path = format!("/api/integrations/ai/generate/{query}");
    answer(ai.world.service.post(&path).bearer_auth(token).json(body)).await
}

fn failing(status: u16) -> AiBehaviour {
    AiBehaviour {
        fail_with: Some(status),
        ..AiBehaviour::default()
    }
}

#[tokio::test]
async fn i06_analyses_are_asked_in_persian_as_recorded() {
    let ai = AiWorld::start().await;
    for kind in ["general", "symptoms", "diagnosis", "prescription"] {
        let body = json!({"prompt": "سردرد و تب", "analysis_type": kind, "temperature": 1.5, "max_tokens": 10,
            "patient_context": {"age": 35, "gender": "male", "medical_history": ["دیابت"], "medications": [], "allergies": ["penicillin"]}});
        let (status, made) = ask(&ai, "?provider=openai", &body).await;
        assert_eq!((status, &made["success"]), (200, &json!(true)), "{made}");
        assert!(made["usage"]["total_tokens"].as_i64().unwrap() > 0);
    }
    insta::assert_json_snapshot!("openai_requests", ai.world.simulators.state.openai.calls());
    for (provider, model) in [
        ("anthropic", "claude-sonnet-4-5"),
        ("talkbot", "gpt-3.5-turbo"),
    ] {
        let body = json!({"prompt": "سردرد", "analysis_type": "symptoms", "temperature": 2});
        let (status, made) = ask(&ai, &format!("?provider={provider}"), &body).await;
        assert_eq!((status, &made["model"]), (200, &json!(model)), "{made}");
    }
    insta::assert_json_snapshot!(
        "anthropic_requests",
        ai.world.simulators.state.anthropic.calls()
    );
    insta::assert_json_snapshot!(
        "talkbot_requests",
        ai.world.simulators.state.talkbot.calls()
    );
}

#[tokio::test]
async fn i06_the_next_provider_is_asked_when_one_fails() {
    let ai = AiWorld::start().await;
    let body = json!({"prompt": "hi"});
    for behaviour in [
        failing(500),
        AiBehaviour {
            malformed: true,
            ..AiBehaviour::default()
        },
        AiBehaviour {
            fail_with: Some(429),
            fail_code: Some("insufficient_quota".into()),
            ..AiBehaviour::default()
        },
    ] {
        ai.openai(behaviour.clone());
        let (status, made) = ask(&ai, "", &body).await;
        assert_eq!(
            (status, &made["provider"]),
            (200, &json!("talkbot")),
            "{behaviour:?}"
        );
    }
    ai.world
        .simulators
        .state
        .talkbot
        .set_behaviour(failing(503));
    let (status, made) = ask(&ai, "", &body).await;
    assert_eq!(
        (status, &made["provider"], &made["model"]),
        (200, &json!("anthropic"), &json!("claude-sonnet-4-5"))
    );
    ai.world
        .simulators
        .state
        .anthropic
        .set_behaviour(failing(529));
    let (status, refused) = ask(&ai, "", &body).await;
    assert_eq!(
        (status, &refused["success"]),
        (400, &json!(false)),
        "{refused}"
    );
    assert_eq!(open_reservations(&ai.world).await, 0);
    let (requests, ..) = ai.counted().await;
    assert_eq!(
        requests, 4,
        "a call that nobody answered counts for nothing"
    );
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_after_the_pause_it_names() {
    let ai = AiWorld::start().await;
    ai.openai(AiBehaviour {
        fail_with: Some(429),
        fail_times: 1,
        retry_after: Some(1),
        ..AiBehaviour::default()
    });
    let started = std::time::Instant::now();
    let (status, made) = ask(&ai, "", &json!({"prompt": "hi"})).await;
    assert_eq!((status, &made["provider"]), (200, &json!("openai")));
    assert!(started.elapsed().as_millis() >= 1_000);
    assert_eq!(ai.world.simulators.state.openai.calls().len(), 2);
}

#[tokio::test]
async fn i06_a_provider_that_times_out_is_left_for_the_next() {
    let ai = AiWorld::with(
        &["openai", "talkbot"],
        vec![("ai.timeout_seconds", "1".to_owned())],
    )
    .await;
    ai.openai(AiBehaviour {
        delay_ms: 20_000,
        ..AiBehaviour::default()
    });
    let (status, made) = ask(&ai, "", &json!({"prompt": "hi"})).await;
    assert_eq!((status, &made["provider"]), (200, &json!("talkbot")));
}

#[tokio::test]
async fn a_model_is_asked_of_the_provider_that_has_it_first() {
    let ai = AiWorld::start().await;
    let (status, made) = answer(ai.chat(KEY, &question("claude-sonnet-4-5", "hi"))).await;
    assert_eq!((status, &made["model"]), (200, &json!("claude-sonnet-4-5")));
    ai.world
        .simulators
        .state
        .anthropic
        .set_behaviour(failing(529));
    let (status, made) = answer(ai.chat(KEY, &question("claude-sonnet-4-5", "hi"))).await;
    assert_eq!(
        (status, &made["model"]),
        (200, &json!("gpt-4")),
        "the answer tells who made it"
    );
}

#[tokio::test]
async fn every_provider_streams_and_the_next_one_begins_when_one_does_not() {
    let ai = AiWorld::start().await;
    let token = ai.world.staff(ClinicRole::Doctor);
    for (provider, model) in [
        ("openai", "gpt-4"),
        ("anthropic", "claude-sonnet-4-5"),
        ("talkbot", "gpt-3.5-turbo"),
    ] {
        let sent = ai
            .world
            .service
            .post(&format!(
                "/api/integrations/ai/generate/?provider={provider}"
            ))
            .bearer_auth(&token)
            .json(&json!({"prompt": "one two", "stream": true}))
            .send()
            .await
            .unwrap();
        let data: Vec<Value> = data_of(&sent.text().await.unwrap())
            .iter()
            .map(|data| serde_json::from_str(data).unwrap())
            .collect();
        let text: String = data
            .iter()
            .filter_map(|data| data["delta"].as_str())
            .collect();
        assert_eq!(text, "You said: one two", "{provider}");
        let last = data.last().unwrap();
        assert_eq!(
            (&last["done"], &last["model"]),
            (&json!(true), &json!(model))
        );
        assert!(last["usage"]["total_tokens"].as_i64().unwrap() > 0);
    }
    ai.openai(failing(500));
    let mut body = question("gpt-4", "hi");
    body["stream"] = json!(true);
    let sent = ai.chat(KEY, &body).send().await.unwrap();
    assert_eq!(sent.headers()["x-tabib-provider"], "talkbot");
    assert!(sent.text().await.unwrap().contains("[DONE]"));
    assert_eq!(open_reservations(&ai.world).await, 0);
}

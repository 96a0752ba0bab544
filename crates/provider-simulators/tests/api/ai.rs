//! The AI vendors refuse what the real ones refuse, and fail on demand.

use serde_json::{Value, json};

use super::{client, simulators};

async fn post(url: String, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
    let mut request = client().post(url).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn switch(base: &str, vendor: &str, behaviour: Value) {
    let answer = client()
        .put(format!("{base}/{vendor}/behaviour"))
        .json(&behaviour)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

const OPENAI: [(&str, &str); 1] = [("authorization", "Bearer openai-key")];
const ANTHROPIC: [(&str, &str); 2] = [
    ("x-api-key", "anthropic-key"),
    ("anthropic-version", "2023-06-01"),
];

fn asked(model: &str) -> Value {
    json!({"model": model, "max_tokens": 20, "messages": [{"role": "user", "content": "one two"}]})
}

#[tokio::test]
async fn openai_tells_a_spent_quota_from_a_busy_moment() {
    let running = simulators().await;
    let base = &running.base_url;
    let url = || format!("{base}/openai/v1/chat/completions");
    switch(
        base,
        "openai",
        json!({"fail_with": 429, "fail_times": 1, "retry_after": 7}),
    )
    .await;
    let sent = client()
        .post(url())
        .bearer_auth("openai-key")
        .json(&asked("gpt-4"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (sent.status().as_u16(), &sent.headers()["retry-after"]),
        (429, &"7".parse::<reqwest::header::HeaderValue>().unwrap())
    );
    let body: Value = sent.json().await.unwrap();
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    switch(
        base,
        "openai",
        json!({"fail_with": 429, "fail_times": 1, "fail_code": "insufficient_quota"}),
    )
    .await;
    let (_, body) = post(url(), &OPENAI, &asked("gpt-4")).await;
    assert!(body.contains("insufficient_quota"));
    assert_eq!(post(url(), &OPENAI, &asked("gpt-4")).await.0, 200);
    assert_eq!(post(url(), &[], &asked("gpt-4")).await.0, 401);
    assert_eq!(post(url(), &OPENAI, &asked("gpt-99")).await.0, 404);
}

#[tokio::test]
async fn openai_cuts_streams_and_answers_on_demand() {
    let running = simulators().await;
    let base = &running.base_url;
    let url = || format!("{base}/openai/v1/chat/completions");
    let mut body = asked("gpt-4");
    body["stream"] = json!(true);
    let (_, whole) = post(url(), &OPENAI, &body).await;
    assert!(whole.ends_with("data: [DONE]\n\n") && !whole.contains("total_tokens"));
    body["stream_options"] = json!({"include_usage": true});
    let (_, whole) = post(url(), &OPENAI, &body).await;
    assert!(whole.contains("\"choices\":[]") && whole.contains("total_tokens"));
    switch(base, "openai", json!({"cut_after": 1})).await;
    let (_, cut) = post(url(), &OPENAI, &body).await;
    assert!(!cut.contains("[DONE]") && !cut.ends_with("\n\n"));
    switch(base, "openai", json!({"error_after": 1})).await;
    let (_, failed) = post(url(), &OPENAI, &body).await;
    assert!(failed.contains("\"error\"") && !failed.contains("[DONE]"));
    switch(base, "openai", json!({"malformed": true})).await;
    let (_, broken) = post(url(), &OPENAI, &asked("gpt-4")).await;
    assert!(serde_json::from_str::<Value>(&broken).is_err());
}

#[tokio::test]
async fn anthropic_refuses_what_its_protocol_forbids() {
    let running = simulators().await;
    let base = &running.base_url;
    let url = || format!("{base}/anthropic/v1/messages");
    let fine = asked("claude-sonnet-4-5");
    assert_eq!(post(url(), &ANTHROPIC, &fine).await.0, 200);
    assert_eq!(post(url(), &[], &fine).await.0, 401);
    assert_eq!(post(url(), &ANTHROPIC[..1], &fine).await.0, 400);
    let user = json!({"role": "user", "content": "x"});
    for (name, value) in [
        ("max_tokens", json!(null)),
        ("temperature", json!(1.5)),
        ("messages", json!([])),
        ("messages", json!([{"role": "system", "content": "x"}])),
        ("messages", json!([{"role": "assistant", "content": "x"}])),
        ("messages", json!([user, user])),
    ] {
        let mut wrong = fine.clone();
        wrong[name] = value;
        let (status, body) = post(url(), &ANTHROPIC, &wrong).await;
        assert_eq!(status, 400, "{name}");
        assert!(body.contains("invalid_request_error"), "{body}");
    }
    switch(base, "anthropic", json!({"fail_with": 529})).await;
    let (status, body) = post(url(), &ANTHROPIC, &fine).await;
    assert!(status == 529 && body.contains("overloaded_error"));
}

#[tokio::test]
async fn talkbot_has_no_json_errors_and_hears_only_public_addresses() {
    let running = simulators().await;
    let base = &running.base_url;
    let key = [("authorization", "Bearer talkbot-key")];
    let chat = format!("{base}/talkbot/v1/chat/completions");
    let (status, body) = post(chat.clone(), &key, &asked("gpt-3.5-turbo")).await;
    assert!(status == 200 && body.contains("You said: one two"));
    let (status, body) = post(chat, &[], &asked("gpt-3.5-turbo")).await;
    assert_eq!((status, body.as_str()), (401, "unauthorized"));
    let hear = || format!("{base}/talkbot/v1/media/speech-to-text/REQ");
    for (url, code) in [("https://clinic.example/a.wav", 200), ("/etc/passwd", 400)] {
        let (_, body) = post(hear(), &key, &json!({"url": url, "language": "none"})).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["response"]["code"], code);
    }
}

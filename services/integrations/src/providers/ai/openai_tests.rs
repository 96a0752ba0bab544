use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header, method, path},
};

use super::{
    super::{ChatMessage, Role},
    *,
};

fn client(server: &MockServer, timeout_ms: u64) -> OpenAi {
    let account = Account {
        base_url: server.uri(),
        api_key: Secret::new("sk-canary".to_owned()),
        default_model: "gpt-4".to_owned(),
        models: vec!["gpt-4".to_owned()],
        streams: true,
    };
    let times = Times {
        call: Duration::from_millis(timeout_ms),
        stream: Duration::from_millis(timeout_ms),
    };
    OpenAi::new(reqwest::Client::new(), account, times)
}

fn messages() -> Vec<ChatMessage> {
    let message = |role, content: &str| ChatMessage {
        role,
        content: content.to_owned(),
    };
    vec![message(Role::System, "be brief"), message(Role::User, "hi")]
}

fn request(messages: &[ChatMessage]) -> TextRequest<'_> {
    TextRequest {
        messages,
        max_tokens: 50,
        temperature: 0.7,
        top_p: None,
        stop: &[],
        model: None,
        language: None,
    }
}

fn answer() -> Value {
    json!({"model": "gpt-4-0613", "choices": [{"message": {"role": "assistant", "content": "hello"}}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}})
}

#[tokio::test]
async fn i06_a_text_comes_with_its_usage() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/chat/completions"))
        .and(header("authorization", "Bearer sk-canary"))
        .and(body_partial_json(json!({"model": "gpt-4", "max_tokens": 50,
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]})))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer()))
        .expect(1)
        .mount(&server)
        .await;
    let made = client(&server, 2_000)
        .generate(&request(&messages()))
        .await
        .unwrap();
    assert_eq!((made.text.as_str(), made.usage.total_tokens), ("hello", 50));
    assert_eq!(made.model, "gpt-4-0613");
}

#[tokio::test]
async fn a_busy_provider_is_asked_again_and_a_spent_quota_is_not() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after-ms", "10"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer()))
        .mount(&server)
        .await;
    assert!(
        client(&server, 2_000)
            .generate(&request(&messages()))
            .await
            .is_ok()
    );

    let spent = MockServer::start().await;
    let body = json!({"error": {"message": "quota", "code": "insufficient_quota"}});
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).set_body_json(body))
        .expect(1)
        .mount(&spent)
        .await;
    let refused = client(&spent, 2_000)
        .generate(&request(&messages()))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, TextError::Refused { status: 429, ref message, .. } if message == "quota")
    );
}

#[tokio::test]
async fn a_slow_provider_times_out() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200)
        .set_body_json(answer())
        .set_delay(Duration::from_secs(5));
    Mock::given(method("POST"))
        .respond_with(slow)
        .mount(&server)
        .await;
    let started = Instant::now();
    assert_eq!(
        client(&server, 200).generate(&request(&messages())).await,
        Err(TextError::Network("timeout"))
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

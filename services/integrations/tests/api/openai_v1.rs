//! `/v1`: OpenAI's protocol with a key of ours.

use provider_simulators::openai::AiBehaviour;
use serde_json::{Value, json};
use service_testing::{eventually, run_vendor_python};

use crate::{
    ai_support::{AiWorld, KEY, LONE_KEY, OTHER_KEY, data_of, open_reservations, question},
    support::{SOON, answer},
};

#[tokio::test]
async fn i04_v1_answers_as_openai_does() {
    let ai = AiWorld::start().await;
    let body = json!({"model": "gpt-4.1-mini", "max_completion_tokens": 100, "user": "u1", "messages": [
        {"role": "developer", "content": "be brief"}, {"role": "user", "content": [{"type": "text", "text": "سلام"}]}]});
    let (status, made) = answer(ai.chat(KEY, &body)).await;
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["object"], "chat.completion");
    assert_eq!(made["model"], "gpt-4.1-mini");
    assert!(made["id"].as_str().unwrap().starts_with("chatcmpl-"));
    let choice = &made["choices"][0];
    assert_eq!(
        choice["message"],
        json!({"role": "assistant", "content": "You said: سلام", "refusal": null})
    );
    assert_eq!(choice["finish_reason"], "stop");
    let (_, tokens, cost) = ai.counted().await;
    assert_eq!(
        made["usage"]["total_tokens"], tokens,
        "settled by what was used"
    );
    assert!(cost > 0);
    let sent = &ai.world.simulators.state.openai.calls()[0].body;
    assert!(
        sent.get("user").is_none(),
        "who asks is not told to the vendor"
    );
    let models = ai.world.service.get("/v1/models").bearer_auth(KEY);
    let (_, models) = answer(models).await;
    let ids: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.contains(&"gpt-4") && ids.contains(&"claude-sonnet-4-5"),
        "{ids:?}"
    );
}

#[tokio::test]
async fn v1_refuses_in_openais_shape() {
    let ai = AiWorld::start().await;
    let fine = question("gpt-4", "hi");
    for (key, status, code) in [
        ("tk_unknown", 401, "invalid_api_key"),
        (OTHER_KEY, 403, "insufficient_permissions"),
        (LONE_KEY, 403, "insufficient_permissions"),
    ] {
        let (got, body) = answer(ai.chat(key, &fine)).await;
        assert_eq!(
            (got, &body["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
        assert!(body["error"]["message"].is_string() && body["error"]["type"].is_string());
    }
    let nobody = ai.world.service.post("/v1/chat/completions").json(&fine);
    assert_eq!(answer(nobody).await.0, 401);
    let (status, body) = answer(ai.chat(KEY, &question("gpt-99", "hi"))).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    let mut tools = fine.clone();
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let (status, body) = answer(ai.chat(KEY, &tools)).await;
    assert_eq!(
        (status, &body["error"]["param"], &body["error"]["code"]),
        (400, &json!("tools"), &json!("unsupported_parameter"))
    );
    let broken = ai
        .world
        .service
        .post("/v1/chat/completions")
        .bearer_auth(KEY)
        .header("content-type", "application/json")
        .body("{\"model\":");
    let (status, body) = answer(broken).await;
    assert_eq!(
        (status, &body["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    let large = question("gpt-4", &"x".repeat(40_000));
    let (status, body) = answer(ai.chat(KEY, &large)).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("messages")));
    for (path, status) in [("/v1/nothing", 404), ("/v1/chat/completions", 405)] {
        let (got, body) = answer(ai.world.service.get(path).bearer_auth(KEY)).await;
        assert_eq!(
            (got, body["error"]["type"].as_str()),
            (status, Some("invalid_request_error"))
        );
    }
    assert!(ai.world.simulators.state.openai.calls().is_empty());
    assert_eq!(ai.counted().await, (0, 0, 0));
}

#[tokio::test]
async fn v1_streams_and_ends_with_usage_and_done() {
    let ai = AiWorld::start().await;
    let mut body = question("gpt-4", "one two three");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    let sent = ai.chat(KEY, &body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    assert!(
        sent.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/event-stream")
    );
    let data = data_of(&sent.text().await.unwrap());
    assert_eq!(data.last().unwrap(), "[DONE]");
    let chunks: Vec<Value> = data[..data.len() - 1]
        .iter()
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "You said: one two three");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    let (requests, tokens, _) = ai.counted().await;
    assert_eq!(
        (requests, &json!(tokens)),
        (1, &last["usage"]["total_tokens"])
    );
    assert!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"] == "stop");
    assert!(chunks[1].get("usage").is_some_and(Value::is_null));
}

#[tokio::test]
async fn a_stream_that_breaks_tells_so_and_is_charged_for_what_came() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let mut body = question("gpt-4", "one two three four five");
    body["stream"] = json!(true);
    for behaviour in [
        AiBehaviour {
            cut_after: Some(3),
            ..AiBehaviour::default()
        },
        AiBehaviour {
            error_after: Some(3),
            ..AiBehaviour::default()
        },
    ] {
        ai.openai(behaviour);
        let before = ai.counted().await;
        let sent = ai.chat(KEY, &body).send().await.unwrap();
        let data = data_of(&sent.text().await.unwrap());
        let last: Value = serde_json::from_str(data.last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "provider.interrupted", "{data:?}");
        assert!(data.iter().any(|data| data.contains("You ")));
        let after = ai.counted().await;
        assert_eq!(
            after.0,
            before.0 + 1,
            "a request that gave something counts"
        );
        let prompt_and_answer = after.1 - before.1;
        assert!((1..100).contains(&prompt_and_answer), "{prompt_and_answer}");
    }
    assert_eq!(open_reservations(&ai.world).await, 0);
}

#[tokio::test]
async fn a_caller_that_hangs_up_pays_for_what_was_made_and_leaves_nothing_reserved() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    ai.openai(AiBehaviour {
        part_delay_ms: 50,
        reply: Some("word ".repeat(2_000)),
        ..AiBehaviour::default()
    });
    let mut body = question("gpt-4", "tell me much");
    body["stream"] = json!(true);
    body["max_tokens"] = json!(4_000);
    let mut sent = ai.chat(KEY, &body).send().await.unwrap();
    assert!(sent.chunk().await.unwrap().is_some());
    assert_eq!(open_reservations(&ai.world).await, 1);
    drop(sent);
    eventually(SOON, async || open_reservations(&ai.world).await == 0).await;
    let (requests, tokens, _) = ai.counted().await;
    assert_eq!(requests, 1);
    assert!(tokens < 1_000, "not the 4,000 that were reserved: {tokens}");
}

/// Talks to an address by the `openai` package: what it sends and what it expects is OpenAI's, not ours.
const SCRIPT: &str = r#"
import json, sys, io
import openai
base, key, model = sys.argv[1:4]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
ids = [model.id for model in client.models.list()]
assert model in ids, ids
made = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "سلام دکتر"}], max_tokens=50)
assert made.choices[0].message.content == "You said: سلام دکتر", made
assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
stream = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "one two"}],
    stream=True, stream_options={"include_usage": True})
text, usage, finish = "", None, None
for chunk in stream:
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    usage = chunk.usage or usage
assert (text, finish) == ("You said: one two", "stop"), (text, finish)
assert usage.total_tokens > 0
with client.chat.completions.stream(model=model, messages=[{"role": "user", "content": "x"}]) as events:
    assert events.get_final_completion().choices[0].message.content == "You said: x"
recording = open(sys.argv[4], "rb").read()
said = client.audio.transcriptions.create(model="whisper-1", file=("visit.wav", io.BytesIO(recording)), language="fa")
assert said.text == "از دیروز تب دارم", said
plain = client.audio.transcriptions.create(model="whisper-1", file=("v.wav", io.BytesIO(recording)), response_format="text")
assert "تب" in plain, plain
verbose = client.audio.transcriptions.create(model="whisper-1", file=("v.wav", io.BytesIO(recording)), response_format="verbose_json")
assert verbose.segments[0].text == "از دیروز تب دارم"
try:
    client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "x"}])
    raise SystemExit("a model that does not exist answered")
except openai.NotFoundError as error:
    assert error.code == "model_not_found"
try:
    openai.OpenAI(base_url=base, api_key="sk-wrong", max_retries=0).models.list()
    raise SystemExit("a wrong key was accepted")
except openai.AuthenticationError as error:
    assert error.code == "invalid_api_key"
print("ok")
"#;

#[tokio::test]
async fn the_openai_package_talks_to_v1_and_to_the_simulator() {
    let ai = AiWorld::start().await;
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("visit.wav");
    std::fs::write(&recording, crate::ai_support::wav(64_000)).unwrap();
    let recording = recording.to_str().unwrap();
    let simulator = format!("{}/openai/v1", ai.world.simulators.base_url);
    let ours = format!("{}/v1", ai.world.service.base);
    for (base, key) in [(simulator.as_str(), "openai-key"), (ours.as_str(), KEY)] {
        let printed = run_vendor_python(SCRIPT, &[base, key, "gpt-4", recording]).await;
        assert_eq!(printed.trim(), "ok");
    }
    assert_eq!(open_reservations(&ai.world).await, 0);
}

#[tokio::test]
async fn the_openai_package_reads_a_spent_limit_and_does_not_insist() {
    let ai = AiWorld::start().await;
    crate::ai::limit(
        &ai.world,
        "organization",
        ai.world.organization,
        "requests_limit",
        0,
    )
    .await;
    let script = r#"
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=3)
try:
    client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "x"}])
except openai.RateLimitError as error:
    print(error.code, error.response.status_code)
"#;
    let base = format!("{}/v1", ai.world.service.base);
    let printed = run_vendor_python(script, &[&base, KEY]).await;
    assert_eq!(printed.trim(), "insufficient_quota 429");
    assert!(ai.world.simulators.state.openai.calls().is_empty());
}

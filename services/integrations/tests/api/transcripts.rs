//! Recordings to texts.

use common_types::ClinicRole;
use provider_simulators::openai::AiBehaviour;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::{
    ai_support::{AiWorld, KEY, open_reservations, wav},
    support::{World, answer},
};

async fn transcribe(ai: &AiWorld, form: Form) -> (u16, Value) {
    let token = ai.world.staff(ClinicRole::Doctor);
    let request = ai
        .world
        .service
        .post("/api/integrations/ai/transcribe/")
        .bearer_auth(token)
        .multipart(form);
    answer(request).await
}

fn file(bytes: Vec<u8>) -> Part {
    Part::bytes(bytes).file_name("خانم احمدی 09121234567.wav")
}

#[tokio::test]
async fn i06_a_recording_is_written_down_and_its_minutes_are_paid() {
    let ai = AiWorld::start().await;
    // 240,000 bytes are a minute for the simulator: 6,000 millionths.
    let form = Form::new()
        .part("file", file(wav(239_956)))
        .text("language", "fa")
        .text("model", "whisper-1");
    let (status, made) = transcribe(&ai, form).await;
    assert_eq!(
        (status, &made["text"], &made["duration_seconds"]),
        (200, &json!("از دیروز تب دارم"), &json!(60.0)),
        "{made}"
    );
    let (requests, tokens, cost) = ai.counted().await;
    assert_eq!((requests, cost), (1, 6_000));
    assert!(tokens < 100);
    insta::assert_json_snapshot!(
        "transcription_requests",
        ai.world.simulators.state.openai.calls()
    );
}

#[tokio::test]
async fn a_recording_is_known_by_its_content_and_has_a_largest_size() {
    let ai = AiWorld::with(&["openai"], vec![("ai.audio_bytes", "100000".to_owned())]).await;
    for (bytes, status) in [
        (b"%PDF-1.7 not a recording".to_vec(), 400),
        (Vec::new(), 400),
        (wav(300_000), 413),
        (wav(110_000), 413),
    ] {
        let (got, body) = transcribe(&ai, Form::new().part("file", file(bytes))).await;
        assert_eq!(got, status, "{body}");
    }
    let (status, body) = transcribe(&ai, Form::new().text("model", "whisper-1")).await;
    assert_eq!(
        (status, &body["file"]),
        (400, &json!(["No file was submitted."]))
    );
    let streamed = Form::new()
        .part("file", file(wav(10)))
        .text("stream", "true");
    assert_eq!(transcribe(&ai, streamed).await.0, 400);
    let token = ai.world.staff(ClinicRole::Doctor);
    let json = ai
        .world
        .service
        .post("/api/integrations/ai/transcribe/")
        .bearer_auth(token)
        .json(&json!({}));
    assert_eq!(answer(json).await.0, 415);
    assert_eq!(
        (ai.counted().await, open_reservations(&ai.world).await),
        ((0, 0, 0), 0)
    );
}

#[tokio::test]
async fn a_recording_of_25_mb_passes_through_and_a_failed_one_costs_nothing() {
    let ai = AiWorld::with(&["openai"], Vec::new()).await;
    let most = 25 * 1024 * 1024;
    let (status, made) = transcribe(&ai, Form::new().part("file", file(wav(most - 44)))).await;
    assert_eq!((status, &made["success"]), (200, &json!(true)), "{made}");
    assert_eq!(
        ai.world.simulators.state.openai.calls()[0].body["file"]["bytes"],
        most
    );
    let before = ai.counted().await;
    ai.openai(AiBehaviour {
        fail_with: Some(503),
        ..AiBehaviour::default()
    });
    let (status, refused) = transcribe(&ai, Form::new().part("file", file(wav(50_000)))).await;
    assert_eq!(
        (status, &refused["success"]),
        (400, &json!(false)),
        "{refused}"
    );
    assert_eq!(
        (ai.counted().await, open_reservations(&ai.world).await),
        (before, 0)
    );
}

#[tokio::test]
async fn v1_answers_in_the_format_that_was_asked_for() {
    let ai = AiWorld::start().await;
    for (format, piece) in [("srt", "-->"), ("vtt", "WEBVTT"), ("text", "تب")] {
        let form = Form::new()
            .part("file", file(wav(8_000)))
            .text("response_format", format);
        let sent = ai
            .world
            .service
            .post("/v1/audio/transcriptions")
            .bearer_auth(KEY)
            .multipart(form)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 200);
        assert!(sent.text().await.unwrap().contains(piece), "{format}");
    }
    let form = Form::new().part("file", file(b"plain text".to_vec()));
    let refused = ai
        .world
        .service
        .post("/v1/audio/transcriptions")
        .bearer_auth(KEY)
        .multipart(form);
    let (status, body) = answer(refused).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("file")));
}

#[tokio::test]
async fn without_a_provider_for_sound_the_caller_is_told() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Doctor);
    let form = Form::new().part("file", file(wav(8_000)));
    let request = world
        .service
        .post("/api/integrations/ai/transcribe/")
        .bearer_auth(token)
        .multipart(form);
    let (status, body) = answer(request).await;
    assert_eq!((status, &body["success"]), (400, &json!(false)));
}

#[tokio::test]
async fn i06_a_text_is_summed_up_for_a_member() {
    let world = World::start().await;
    let token = world.staff(ClinicRole::Doctor);
    let body = json!({"text": "بیمار از دیروز تب ۳۹ و سرفه دارد.\nهر ۸ ساعت یک قرص استامینوفن بخورد.\nهوا خوب است."});
    let request = |body: &Value| {
        world
            .service
            .post("/api/integrations/ai/summarize/")
            .bearer_auth(&token)
            .json(body)
    };
    let (status, made) = answer(request(&body)).await;
    assert_eq!(
        (status, &made["success"], &made["model"]),
        (200, &json!(true), &json!("tabib-extractive-1")),
        "{made}"
    );
    assert!(!made["summary"].as_str().unwrap().is_empty());
    assert_eq!(answer(request(&json!({"text": " "}))).await.0, 400);
}

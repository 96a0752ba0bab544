use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use service_testing::{eventually_stepping, published_events};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header_exists, method, path},
};

use crate::support::{Clinic, body};

async fn integrations(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let last = answers.len();
    for (n, answer) in answers.into_iter().enumerate() {
        let mock = Mock::given(method("POST"))
            .and(path("/internal/ai/summarize/"))
            .and(header_exists("authorization"))
            .respond_with(answer);
        if n + 1 == last {
            mock
        } else {
            mock.up_to_n_times(1)
        }
        .mount(&server)
        .await;
    }
    server
}

fn made() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "summary_text": "سردرد از دو روز پیش", "content": "بیمار از سردرد گفت.", "model": "extractive"
    }))
}

async fn ask(clinic: &Clinic, room: i64, token: &str) -> reqwest::Response {
    clinic
        .service
        .post(&format!("/api/chat/chatrooms/{room}/summarize/"))
        .bearer_auth(token)
        .json(&json!({ "language": "fa" }))
        .send()
        .await
        .unwrap()
}

async fn ended(clinic: &Clinic, job: &str) -> Value {
    let path = format!("/api/chat/summary-jobs/{job}/");
    let read = || async {
        body(
            clinic
                .service
                .get(&path)
                .bearer_auth(&clinic.doctor.token)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let (clock, step) = (&clinic.service.clock, chrono::TimeDelta::seconds(10));
    eventually_stepping(clock, step, Duration::from_secs(30), async || {
        matches!(
            read().await["status"].as_str(),
            Some("completed" | "failed")
        )
    })
    .await;
    read().await
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_a_summary_is_made_and_told_with_its_event() {
    let server = integrations(vec![ResponseTemplate::new(503), made()]).await;
    let mut clinic = Clinic::open_with(|setup| setup.set("peers.integrations", server.uri())).await;
    let room = clinic.room().await;
    clinic
        .say(&clinic.patient, room, "از دو روز پیش سردرد دارم.")
        .await;
    let asked = ask(&clinic, room, &clinic.doctor.token).await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    let job = body(asked).await["id"].as_str().unwrap().to_owned();
    clinic.service.start_worker();
    let done = ended(&clinic, &job).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["summary"]["summary_text"], "سردرد از دو روز پیش");
    let request: Value = server.received_requests().await.unwrap()[0]
        .body_json()
        .unwrap();
    assert_eq!(request["messages"][0]["text"], "از دو روز پیش سردرد دارم.");
    let events = published_events(&clinic.service.stack.db).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.name == "chat.summary_created")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].payload["patient_user_id"],
        clinic.patient.id.to_string()
    );
    assert!(!told[0].payload.to_string().contains("سردرد"));
    let list = format!("/api/chat/chatrooms/{room}/summaries/");
    let foreign = clinic
        .service
        .get(&list)
        .bearer_auth(&clinic.stranger.token)
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
    let own = clinic
        .service
        .get(&list)
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    assert_eq!(body(own).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_a_spent_limit_ends_the_job_with_its_reason() {
    let server = integrations(vec![ResponseTemplate::new(402).set_body_json(json!({}))]).await;
    let mut clinic = Clinic::open_with(|setup| setup.set("peers.integrations", server.uri())).await;
    let room = clinic.room().await;
    clinic.say(&clinic.patient, room, "x").await;
    let job = body(ask(&clinic, room, &clinic.doctor.token).await).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    clinic.service.start_worker();
    let done = ended(&clinic, &job).await;
    assert_eq!(
        (&done["status"], &done["error"]),
        (&json!("failed"), &json!("ai.limit_reached"))
    );
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h01_there_must_be_something_to_summarise_and_someone_to_ask() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    assert_eq!(
        ask(&clinic, room, &clinic.doctor.token).await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(
        ask(&clinic, room, &clinic.stranger.token).await.status(),
        StatusCode::NOT_FOUND
    );
}

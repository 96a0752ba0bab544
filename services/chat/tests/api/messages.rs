use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Clinic, body};

async fn post(clinic: &Clinic, token: &str, message: Value) -> (StatusCode, Value) {
    let response = clinic
        .service
        .post("/api/chat/messages/")
        .bearer_auth(token)
        .json(&message)
        .send()
        .await
        .unwrap();
    (response.status(), body(response).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_message_is_posted_and_listed_newest_first_by_cursor() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut ids = Vec::new();
    for n in 0..35 {
        ids.push(clinic.say(&clinic.doctor, room, &format!("پیام {n}")).await);
    }
    let first = clinic
        .service
        .get(&format!("/api/chat/messages/?chat_room={room}"))
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    let first = body(first).await;
    let seen = |page: &Value| -> Vec<i64> {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["id"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(seen(&first).len(), 30);
    assert_eq!(seen(&first)[0], *ids.last().unwrap());
    assert!(first.get("count").is_none());
    let next = first["next"]
        .as_str()
        .unwrap()
        .strip_prefix("http://tabib.test")
        .unwrap();
    let second = body(
        clinic
            .service
            .get(next)
            .bearer_auth(&clinic.patient.token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(second["next"], Value::Null);
    let mut all = [seen(&first), seen(&second)].concat();
    all.reverse();
    assert_eq!(all, ids);
    // What was missed since a message, oldest first.
    let path = format!("/api/chat/messages/?chat_room={room}&after={}", ids[31]);
    let missed = body(
        clinic
            .service
            .get(&path)
            .bearer_auth(&clinic.patient.token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(seen(&missed), ids[32..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_nobody_but_members_reads_or_writes() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let id = clinic.say(&clinic.patient, room, "محرمانه").await;
    let (status, answer) = post(
        &clinic,
        &clinic.stranger.token,
        json!({ "chat_room": room, "text": "x" }),
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(answer["detail"], "چت‌روم پیدا نشد.");
    for path in [
        format!("/api/chat/messages/?chat_room={room}"),
        format!("/api/chat/messages/{id}/?chat_room={room}"),
    ] {
        let foreign = clinic
            .service
            .get(&path)
            .bearer_auth(&clinic.stranger.token)
            .send()
            .await
            .unwrap();
        assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
        assert!(!foreign.text().await.unwrap().contains("محرمانه"));
        let own = clinic
            .service
            .get(&path)
            .bearer_auth(&clinic.doctor.token)
            .send()
            .await
            .unwrap();
        assert_eq!(own.status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_bad_messages_say_what_is_wrong() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let token = &clinic.doctor.token;
    let (status, answer) = post(&clinic, token, json!({ "text": "x" })).await;
    assert_eq!(
        (status, answer),
        (
            StatusCode::BAD_REQUEST,
            json!(["فیلد chat_room اجباری است."])
        )
    );
    for (message, field, text) in [
        (
            json!({ "chat_room": room }),
            "text",
            "This field is required.",
        ),
        (
            json!({ "chat_room": room, "text": " " }),
            "text",
            "This field may not be blank.",
        ),
        (
            json!({ "chat_room": room, "text": "x", "message_type": "video" }),
            "message_type",
            "\"video\" is not a valid choice.",
        ),
        (
            json!({ "chat_room": room, "text": "x".repeat(8001) }),
            "text",
            "Ensure this field has no more than 8000 characters.",
        ),
    ] {
        let (status, answer) = post(&clinic, token, message).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer[field], json!([text]), "{answer}");
    }
    let foreign_file = json!({ "chat_room": room, "text": "x", "attach_id": 77 });
    assert_eq!(
        post(&clinic, token, foreign_file).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_c2_one_client_id_is_one_message() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let message = json!({ "chat_room": room, "text": "یک بار", "client_id": "c-1" });
    let posts = (0..20).map(|_| post(&clinic, &clinic.doctor.token, message.clone()));
    let answers = futures_util::future::join_all(posts).await;
    let first = &answers[0].1["id"];
    for (status, answer) in &answers {
        assert_eq!(*status, StatusCode::CREATED, "{answer}");
        assert_eq!(&answer["id"], first);
    }
    let path = format!("/api/chat/messages/?chat_room={room}");
    let list = body(
        clinic
            .service
            .get(&path)
            .bearer_auth(&clinic.doctor.token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(list["results"].as_array().unwrap().len(), 1);
}

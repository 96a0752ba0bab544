use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use serde_json::json;

use crate::support::{Clinic, body};

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn form(room: i64, bytes: &'static [u8], name: &str) -> Form {
    Form::new()
        .text("chatroom", room.to_string())
        .text("text", "عکس")
        .part("file", Part::bytes(bytes).file_name(name.to_owned()))
}

async fn upload(clinic: &Clinic, token: &str, form: Form) -> reqwest::Response {
    clinic
        .service
        .post("/api/message/file/upload/")
        .bearer_auth(token)
        .multipart(form)
        .send()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_file_is_uploaded_sent_and_fetched_by_members() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let uploaded = upload(&clinic, &clinic.doctor.token, form(room, PNG, "../a.png")).await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let uploaded = body(uploaded).await;
    assert_eq!(
        (&uploaded["chatroom"], &uploaded["text"]),
        (&json!(room), &json!("عکس"))
    );
    let file = uploaded["file"].as_str().unwrap();
    assert!(
        file.starts_with("/media/uploads/chat_files/") && file.ends_with("/a.png"),
        "{file}"
    );
    let sent = clinic
        .service
        .post("/api/chat/messages/")
        .bearer_auth(&clinic.doctor.token)
        .json(&json!({ "chat_room": room, "text": "", "message_type": "image", "attach_id": uploaded["id"] }))
        .send()
        .await
        .unwrap();
    assert_eq!(
        body(sent).await["file_url"],
        format!("http://tabib.test{file}")
    );
    let fetched = clinic
        .service
        .get(file)
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    assert_eq!(fetched.status(), StatusCode::OK);
    assert_eq!(fetched.headers()["content-type"], "image/png");
    assert_eq!(fetched.headers()["x-content-type-options"], "nosniff");
    assert!(
        fetched.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("attachment")
    );
    assert_eq!(fetched.bytes().await.unwrap(), PNG);
    let foreign = clinic
        .service
        .get(file)
        .bearer_auth(&clinic.stranger.token)
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_bad_uploads_are_refused_with_a_reason() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let stranger = upload(&clinic, &clinic.stranger.token, form(room, PNG, "a.png")).await;
    assert_eq!(stranger.status(), StatusCode::NOT_FOUND);
    let none = upload(
        &clinic,
        &clinic.doctor.token,
        Form::new().text("chatroom", room.to_string()),
    )
    .await;
    assert_eq!(none.status(), StatusCode::BAD_REQUEST);
    assert_eq!(body(none).await["file"], json!(["No file was submitted."]));
    // The type is told by the content, whatever the name says.
    for (bytes, name) in [
        (b"MZ\x90\0\x03\0\0\0\x04\0".as_slice(), "a.png"),
        (b"<html><script>", "a.pdf"),
        (b"", "a.png"),
    ] {
        let refused = upload(&clinic, &clinic.doctor.token, form(room, bytes, name)).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{name}");
        assert!(body(refused).await["file"].is_array());
    }
}

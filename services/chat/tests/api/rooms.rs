use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Clinic, body};

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_pair_has_one_room_from_either_side() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let again = clinic
        .service
        .post("/api/chat/chatrooms")
        .bearer_auth(&clinic.patient.token)
        .json(&json!({ "user": clinic.doctor.number }))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    let again = body(again).await;
    assert_eq!(again["id"], room);
    let mut keys: Vec<_> = again.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "banneds",
            "created_at",
            "descriptions",
            "id",
            "name",
            "organization",
            "permissions",
            "pinned_for",
            "status",
            "unread_count",
            "updated_at",
            "user_1",
            "user_2",
            "users"
        ]
    );
    let users = again["users"].as_array().unwrap();
    assert_eq!(users.len(), 2);
    for user in users {
        let mut keys: Vec<_> = user.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, ["full_name", "id", "username"]);
        assert!(!user["username"].as_str().unwrap().contains("912"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_many_at_once_open_one_room() {
    let clinic = Clinic::open().await;
    let rooms = futures_util::future::join_all((0..20).map(|_| clinic.room())).await;
    assert!(rooms.windows(2).all(|pair| pair[0] == pair[1]), "{rooms:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_whom_one_may_not_talk_to_looks_like_nobody() {
    let clinic = Clinic::open().await;
    for (user_id, text) in [
        (json!({}), "user_id ارسال نشده است."),
        (json!({ "user_id": 999 }), "کاربر مورد نظر یافت نشد."),
        // Two people without a clinic role have no business here.
        (
            json!({ "user_id": clinic.stranger.number }),
            "کاربر مورد نظر یافت نشد.",
        ),
    ] {
        let response = clinic
            .service
            .post("/api/chat/chatrooms/")
            .bearer_auth(&clinic.patient.token)
            .json(&user_id)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(body(response).await["detail"], text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_foreign_room_answers_like_a_missing_one() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let foreign = clinic
            .service
            .request(method.clone(), &format!("/api/chat/chatrooms/{room}/"))
            .bearer_auth(&clinic.stranger.token)
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        let missing = clinic
            .service
            .request(method, "/api/chat/chatrooms/424242/")
            .bearer_auth(&clinic.stranger.token)
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(foreign.status(), StatusCode::NOT_FOUND);
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        let (foreign, missing) = (body(foreign).await, body(missing).await);
        assert_eq!(foreign["detail"], "No ChatRoom matches the given query.");
        assert_eq!(foreign["detail"], missing["detail"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_unread_messages_are_counted_until_read() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    for text in ["سلام", "حال شما؟"] {
        clinic.say(&clinic.doctor, room, text).await;
    }
    let list = |token: String| {
        let request = clinic
            .service
            .get("/api/chat/chatrooms/")
            .bearer_auth(token);
        async move { body(request.send().await.unwrap()).await }
    };
    assert_eq!(
        list(clinic.patient.token.clone()).await[0]["unread_count"],
        2
    );
    let read = clinic
        .service
        .post(&format!("/api/chat/chatrooms/{room}/read/"))
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    assert_eq!(body(read).await["unread_count"], 0);
    assert_eq!(
        list(clinic.patient.token.clone()).await[0]["unread_count"],
        0
    );
    assert_eq!(list(clinic.stranger.token.clone()).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_close_a_room_and_nobody_writes_in_it_then() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let patch = |token: &str, change: serde_json::Value| {
        clinic
            .service
            .request(Method::PATCH, &format!("/api/chat/chatrooms/{room}/"))
            .bearer_auth(token)
            .json(&change)
            .send()
    };
    let refused = patch(&clinic.patient.token, json!({ "status": 2 }))
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let bad = patch(&clinic.doctor.token, json!({ "status": 9 }))
        .await
        .unwrap();
    assert_eq!(
        body(bad).await["status"],
        json!(["\"9\" is not a valid choice."])
    );
    let long = patch(&clinic.doctor.token, json!({ "name": "x".repeat(46) }))
        .await
        .unwrap();
    assert_eq!(long.status(), StatusCode::BAD_REQUEST);
    let closed = patch(
        &clinic.doctor.token,
        json!({ "status": 2, "name": "پیگیری" }),
    )
    .await
    .unwrap();
    assert_eq!(body(closed).await["status"], 2);
    let late = clinic
        .service
        .post("/api/chat/messages/")
        .bearer_auth(&clinic.patient.token)
        .json(&json!({ "chat_room": room, "text": "x" }))
        .send()
        .await
        .unwrap();
    assert_eq!(late.status(), StatusCode::CONFLICT);
}

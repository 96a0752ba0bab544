use std::time::Duration;

use chrono::TimeDelta;
use common_types::{events::auth::RevocationKind, internal::auth::Revocation};
use futures_util::SinkExt;
use reqwest::StatusCode;
use rstest::rstest;
use serde_json::json;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::support::{Clinic, actor, body, close_code, hear, send};

async fn refusal(address: String) -> u16 {
    match connect_async(address).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("not refused: {:?}", other.map(|_| ())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_everyone_in_the_room_hears_a_message_once_it_is_stored() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut doctor = clinic.connect(&clinic.doctor, room).await;
    // The address of today's clients.
    let old = clinic.socket_address(&format!("/chat/{room}/?token={}", clinic.patient.token));
    let mut patient = connect_async(old).await.unwrap().0;
    send(&mut doctor, json!({ "message": "سلام، حال شما؟" })).await;
    let heard = hear(&mut patient).await;
    assert_eq!(heard, hear(&mut doctor).await);
    assert_eq!(heard["type"], "chat_message");
    assert_eq!(heard["message"], "سلام، حال شما؟");
    assert_eq!(heard["message_type"], "text");
    assert_eq!(heard["sender"]["id"], clinic.doctor.number);
    for key in ["file_url", "lat", "lng"] {
        assert!(heard[key].is_null());
    }
    let path = format!("/api/chat/messages/{}/?chat_room={room}", heard["id"]);
    let stored = clinic
        .service
        .get(&path)
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    assert_eq!(body(stored).await["text"], "سلام، حال شما؟");
    // A message posted over REST is heard too.
    clinic.say(&clinic.patient, room, "خوبم").await;
    assert_eq!(hear(&mut doctor).await["message"], "خوبم");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_c1_a_socket_opens_only_for_members_with_a_good_token() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let expired = actor(&clinic.service, 44, |claims| claims.exp = claims.iat - 3600).token;
    for query in [
        String::new(),
        "?token=x".into(),
        "?ticket=x".into(),
        format!("?token={expired}"),
        format!("?token={}", clinic.stranger.token),
        format!("?token={}", clinic.service.issuer.service("portal")),
    ] {
        let address = clinic.socket_address(&format!("/ws/chat/{room}/{query}"));
        assert_eq!(refusal(address).await, 403, "{query}");
    }
    let elsewhere =
        clinic.socket_address(&format!("/ws/chat/999999/?token={}", clinic.doctor.token));
    assert_eq!(refusal(elsewhere).await, 403);
}

#[rstest]
#[case("https://evil.test", false)]
#[case("null", false)]
#[case("http://tabib.test.evil.test", false)]
#[case("http://tabib.test", true)]
#[tokio::test(flavor = "multi_thread")]
async fn q_c1_a_socket_opens_only_from_our_pages(#[case] origin: &str, #[case] allowed: bool) {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let address = clinic.socket_address(&format!("/ws/chat/{room}/?token={}", clinic.doctor.token));
    let mut request = address.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("origin", origin.parse().unwrap());
    assert_eq!(connect_async(request).await.is_ok(), allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_c1_a_ticket_opens_one_socket_within_thirty_seconds() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let ticket = || async {
        let response = clinic
            .service
            .post("/api/chat/tickets/")
            .bearer_auth(&clinic.patient.token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        body(response).await["ticket"].as_str().unwrap().to_owned()
    };
    let one = ticket().await;
    let address = clinic.socket_address(&format!("/ws/chat/{room}/?ticket={one}"));
    let tries =
        futures_util::future::join_all((0..8).map(|_| connect_async(address.clone()))).await;
    assert_eq!(tries.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let late = ticket().await;
    clinic.service.clock.advance(TimeDelta::seconds(31));
    assert_eq!(
        refusal(clinic.socket_address(&format!("/ws/chat/{room}/?ticket={late}"))).await,
        403
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_c1_a_socket_ends_with_its_token() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut socket = clinic.connect(&clinic.patient, room).await;
    clinic.service.clock.advance(TimeDelta::hours(1));
    assert_eq!(close_code(&mut socket).await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_a6_a_socket_ends_when_its_session_is_revoked() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut socket = clinic.connect(&clinic.patient, room).await;
    let now = clinic.service.stack.clock.now();
    clinic
        .service
        .stack
        .verifier
        .revocations()
        .apply(&Revocation {
            kind: RevocationKind::User,
            id: clinic.patient.id,
            not_before: now.timestamp() + 1,
            expires_at: now + TimeDelta::days(1),
        });
    let started = std::time::Instant::now();
    assert_eq!(close_code(&mut socket).await, 4401);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn q_c1_who_left_hears_nothing_more() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut socket = clinic.connect(&clinic.patient, room).await;
    let left = clinic
        .service
        .request(
            reqwest::Method::DELETE,
            &format!("/api/chat/chatrooms/{room}/"),
        )
        .bearer_auth(&clinic.patient.token)
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    assert_eq!(close_code(&mut socket).await, 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_bad_frame_gets_an_error_frame_and_the_socket_lives() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut socket = clinic.connect(&clinic.doctor, room).await;
    socket.send(Message::text("not json")).await.unwrap();
    assert_eq!(hear(&mut socket).await["code"], "chat.frame_unusable");
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(hear(&mut socket).await["code"], "chat.frame_unusable");
    send(
        &mut socket,
        json!({ "message": "x", "message_type": "video", "client_id": "c-9" }),
    )
    .await;
    let refused = hear(&mut socket).await;
    assert_eq!(
        (&refused["type"], &refused["client_id"]),
        (&json!("error"), &json!("c-9"))
    );
    send(&mut socket, json!({ "message": "x", "attach_id": 5 })).await;
    assert_eq!(hear(&mut socket).await["code"], "chat.attachment_not_found");
    send(&mut socket, json!({ "message": "هنوز هستم" })).await;
    assert_eq!(hear(&mut socket).await["message"], "هنوز هستم");
}

#[tokio::test(flavor = "multi_thread")]
async fn h02_a_call_signal_reaches_the_others_unchanged_and_is_not_stored() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut doctor = clinic.connect(&clinic.doctor, room).await;
    let mut patient = clinic.connect(&clinic.patient, room).await;
    let signal = json!({ "message_type": "webrtc_signal", "sdp": { "type": "offer" }, "n": 1 });
    send(&mut doctor, signal.clone()).await;
    assert_eq!(hear(&mut patient).await, signal);
    send(&mut patient, json!({ "message": "بعدی" })).await;
    assert_eq!(hear(&mut doctor).await["message"], "بعدی");
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

#[tokio::test(flavor = "multi_thread")]
async fn q_c2_floods_are_bounded() {
    let clinic = Clinic::open().await;
    let room = clinic.room().await;
    let mut socket = clinic.connect(&clinic.doctor, room).await;
    for n in 0..60 {
        send(&mut socket, json!({ "message": n.to_string() })).await;
    }
    let mut refused = 0;
    let mut told = 0;
    while refused + told < 60 {
        match hear(&mut socket).await["type"].as_str() {
            Some("error") => refused += 1,
            _ => told += 1,
        }
    }
    assert!(
        refused > 0 && (20..60).contains(&told),
        "told {told}, refused {refused}"
    );
    let big = format!("{{\"message\":\"{}\"}}", "x".repeat(70_000));
    socket.send(Message::text(big)).await.unwrap();
    assert_ne!(close_code(&mut socket).await, 1000);
    // Five sockets of one person, and no sixth.
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(clinic.connect(&clinic.patient, room).await);
    }
    let sixth = clinic.socket_address(&format!("/ws/chat/{room}/?token={}", clinic.patient.token));
    assert_eq!(refusal(sixth).await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_hear_each_other() {
    let first = Clinic::open().await;
    let files = tempfile::tempdir().unwrap();
    let second: service_testing::TestService<chat::Chat> = crate::support::setup(&files)
        .database(first.service.database.clone())
        .issuer(first.service.issuer.clone())
        .prefix(first.service.prefix.clone())
        .clock(first.service.clock.clone())
        .start()
        .await;
    let room = first.room().await;
    let mut here = first.connect(&first.doctor, room).await;
    let address = format!(
        "{}/ws/chat/{room}/?token={}",
        second.base.replace("http", "ws"),
        first.patient.token
    );
    let mut there = connect_async(address).await.unwrap().0;
    // The subscription may still be on its way: what is said is repeated until it is heard there.
    let heard = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            send(&mut here, json!({ "message": "از این‌جا" })).await;
            hear(&mut here).await;
            if let Ok(frame) =
                tokio::time::timeout(Duration::from_millis(300), hear(&mut there)).await
            {
                return frame;
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(heard["message"], "از این‌جا");
}

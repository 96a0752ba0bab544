//! A clinic with a doctor, a patient and a stranger.

use std::time::Duration;

use chat::Chat;
use common_types::{AccessClaims, ClinicRole};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures_util::{SinkExt, StreamExt};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use service_testing::{ServiceSetup, TestService};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use uuid::Uuid;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) token: String,
}

pub(crate) struct Clinic {
    pub(crate) service: TestService<Chat>,
    pub(crate) doctor: Actor,
    pub(crate) patient: Actor,
    pub(crate) stranger: Actor,
    _files: TempDir,
}

pub(crate) fn setup(files: &TempDir) -> ServiceSetup {
    ServiceSetup::new()
        .sealing()
        .set("files.root", files.path().display())
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        Self::open_with(|setup| setup).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(ServiceSetup) -> ServiceSetup) -> Self {
        let files = tempfile::tempdir().unwrap();
        let service: TestService<Chat> = change(setup(&files)).start().await;
        let organization = Uuid::now_v7();
        let doctor = actor(&service, 11, |claims| {
            claims.org = Some(organization);
            claims.clinic_role = Some(ClinicRole::Doctor);
            claims.name = "دکتر رضایی".into();
        });
        let patient = actor(&service, 22, |claims| claims.name = "زهرا احمدی".into());
        let stranger = actor(&service, 33, |claims| claims.name = "Inconnu".into());
        let clinic = Self {
            service,
            doctor,
            patient,
            stranger,
            _files: files,
        };
        clinic
            .know(
                &clinic.doctor,
                Some("+989120000001"),
                &[organization],
                &[organization],
            )
            .await;
        clinic
            .know(&clinic.patient, Some("+989120000010"), &[], &[])
            .await;
        clinic.know(&clinic.stranger, None, &[], &[]).await;
        clinic
    }

    /// Writes a person into the copy, as an event would.
    pub(crate) async fn know(
        &self,
        actor: &Actor,
        phone: Option<&str>,
        all: &[Uuid],
        clinic: &[Uuid],
    ) {
        let mut conn = self.service.stack.db.get().await.unwrap();
        diesel::sql_query(
            "INSERT INTO people (id, number, phone, full_name, organization_ids, clinic_organization_ids, version, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, now())",
        )
        .bind::<SqlUuid, _>(actor.id)
        .bind::<BigInt, _>(actor.number)
        .bind::<Nullable<Text>, _>(phone)
        .bind::<Text, _>(format!("Person {}", actor.number))
        .bind::<Array<SqlUuid>, _>(all)
        .bind::<Array<SqlUuid>, _>(clinic)
        .execute(&mut conn)
        .await
        .unwrap();
    }

    /// The room of doctor and patient.
    pub(crate) async fn room(&self) -> i64 {
        let response = self
            .service
            .post("/api/chat/chatrooms/")
            .bearer_auth(&self.doctor.token)
            .json(&json!({ "user_id": self.patient.number }))
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        body(response).await["id"].as_i64().unwrap()
    }

    pub(crate) async fn say(&self, actor: &Actor, room: i64, text: &str) -> i64 {
        let response = self
            .service
            .post("/api/chat/messages/")
            .bearer_auth(&actor.token)
            .json(&json!({ "chat_room": room, "text": text }))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        body(response).await["id"].as_i64().unwrap()
    }

    pub(crate) fn socket_address(&self, path: &str) -> String {
        format!("{}{path}", self.service.base.replace("http://", "ws://"))
    }

    pub(crate) async fn connect(&self, actor: &Actor, room: i64) -> Socket {
        let address = self.socket_address(&format!("/ws/chat/{room}/?token={}", actor.token));
        connect_async(address).await.expect("socket").0
    }
}

pub(crate) fn actor(
    service: &TestService<Chat>,
    number: i64,
    change: impl FnOnce(&mut AccessClaims),
) -> Actor {
    let id = Uuid::now_v7();
    let token = service.issuer.access(|claims| {
        claims.sub = id;
        claims.user_id = number.to_string();
        claims.org = None;
        claims.clinic_role = None;
        claims.content_role = None;
        claims.superuser = false;
        change(claims);
    });
    Actor { id, number, token }
}

pub(crate) async fn body(response: Response) -> Value {
    response.json().await.expect("a JSON body")
}

pub(crate) async fn send(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next text frame, within five seconds.
pub(crate) async fn hear(socket: &mut Socket) -> Value {
    loop {
        match next(socket).await {
            Some(Message::Text(text)) => return serde_json::from_str(text.as_str()).unwrap(),
            Some(Message::Ping(_) | Message::Pong(_)) => {}
            other => panic!("no text but {other:?}"),
        }
    }
}

/// The code with which the server closes, within ten seconds.
pub(crate) async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match next(socket).await {
            Some(Message::Close(frame)) => return frame.map_or(1005, |frame| frame.code.into()),
            Some(_) => {}
            None => return 1006,
        }
    }
}

async fn next(socket: &mut Socket) -> Option<Message> {
    tokio::time::timeout(Duration::from_secs(10), socket.next())
        .await
        .expect("a frame in time")?
        .ok()
}

//! `/orange/oauth/v3/token`, `/orange/smsmessaging/v1/outbound/{sender}/requests`, `/orange/sms/admin/v1/contracts`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Utc;
use serde_json::{Value, json};

use super::Faults;
use crate::{
    server::Simulators,
    vendor::{self, Taken},
};

/// The only sender of the account: Senegal's.
const SENDER: &str = "tel:+2210000";
const LONGEST: usize = 1_600;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/orange/behaviour",
            web::get().to(async |state: web::Data<Simulators>| {
                HttpResponse::Ok().json(state.orange.faults())
            }),
        )
        .route("/orange/behaviour", web::put().to(put_behaviour))
        .route("/orange/oauth/v3/token", web::post().to(token))
        .route(
            "/orange/smsmessaging/v1/outbound/{sender}/requests",
            web::post().to(send),
        )
        .route("/orange/sms/admin/v1/contracts", web::get().to(contracts));
}

async fn put_behaviour(body: web::Json<Faults>, state: web::Data<Simulators>) -> HttpResponse {
    state.orange.set_faults(body.into_inner());
    HttpResponse::Ok().json(state.orange.faults())
}

fn header_text<'a>(request: &'a HttpRequest, name: &header::HeaderName) -> &'a str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn token(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    let keys = &state.options.vendors;
    let wanted = BASE64_STANDARD.encode(format!(
        "{}:{}",
        keys.orange_client_id, keys.orange_client_secret
    ));
    let granted =
        vendor::form(&body).get("grant_type").map(String::as_str) == Some("client_credentials");
    if header_text(&request, &header::AUTHORIZATION) != format!("Basic {wanted}") || !granted {
        return HttpResponse::Unauthorized()
            .json(json!({"error": "invalid_client", "error_description": "The requested service needs credentials"}));
    }
    tokio::time::sleep(Duration::from_millis(state.orange.faults().delay_ms)).await;
    HttpResponse::Ok().json(json!({
        "token_type": "Bearer",
        "access_token": state.orange_tokens.issue(),
        "expires_in": 3600,
    }))
}

fn refuse(status: u16, kind: &str, id: &str, text: &str) -> HttpResponse {
    let line = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(line)
        .json(json!({"requestError": {kind: {"messageId": id, "text": text, "variables": []}}}))
}

fn expired() -> HttpResponse {
    HttpResponse::Unauthorized()
        .json(json!({"code": 42, "message": "Expired credentials", "description": "The access token has expired"}))
}

async fn contracts(request: HttpRequest, state: web::Data<Simulators>) -> HttpResponse {
    if !state
        .orange_tokens
        .knows(header_text(&request, &header::AUTHORIZATION))
    {
        return expired();
    }
    HttpResponse::Ok().json(json!([{
        "country": "SEN", "status": "ACTIVE", "availableUnits": 480, "expirationDate": "2030-01-01T00:00:00Z",
    }]))
}

async fn send(
    request: HttpRequest,
    sender: web::Path<String>,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    if !state
        .orange_tokens
        .knows(header_text(&request, &header::AUTHORIZATION))
    {
        return expired();
    }
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let account = &state.orange;
    account.answer(|| take(&state, &sender, &document)).await
}

fn take(state: &Simulators, sender: &str, document: &Value) -> HttpResponse {
    match state.orange.forced_failure() {
        Some(403) => return refuse(403, "policyException", "POL0001", "A policy error occurred"),
        Some(code @ 500..=599) => {
            return HttpResponse::build(
                u16::try_from(code)
                    .ok()
                    .and_then(|code| StatusCode::from_u16(code).ok())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            )
            .body("gateway error");
        }
        Some(_) => {
            return refuse(
                400,
                "serviceException",
                "SVC0001",
                "A service error occurred",
            );
        }
        None => {}
    }
    let wanted = &document["outboundSMSMessageRequest"];
    let text = wanted["outboundSMSTextMessage"]["message"]
        .as_str()
        .unwrap_or_default();
    let address = wanted["address"].as_str().unwrap_or_default();
    if wanted["senderAddress"] != SENDER || sender != SENDER {
        return refuse(
            400,
            "serviceException",
            "SVC0002",
            "Invalid input value for message part senderAddress",
        );
    }
    let digits = address.strip_prefix("tel:+").unwrap_or_default();
    if digits.len() < 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse(
            400,
            "serviceException",
            "SVC0004",
            "No valid addresses provided in message part address",
        );
    }
    if text.is_empty() {
        return refuse(
            400,
            "serviceException",
            "SVC0002",
            "Invalid input value for message part message",
        );
    }
    if text.chars().count() > LONGEST {
        return refuse(400, "serviceException", "SVC0280", "Message too long");
    }
    let taken = Taken {
        id: uuid::Uuid::now_v7().to_string(),
        to: format!("+{digits}"),
        text: text.to_owned(),
        at: Utc::now(),
    };
    if vendor::show(state, "orange", &taken).is_err() {
        return refuse(
            500,
            "serviceException",
            "SVC0001",
            "A service error occurred",
        );
    }
    let mut answer = document.clone();
    answer["outboundSMSMessageRequest"]["resourceURL"] = json!(format!(
        "https://api.orange.com/smsmessaging/v1/outbound/{sender}/requests/{}",
        taken.id
    ));
    state.orange.add(taken);
    HttpResponse::Created().json(answer)
}

/// Bearer tokens in force.
#[derive(Default)]
pub struct Tokens {
    known: parking_lot::Mutex<Vec<String>>,
}

impl Tokens {
    fn issue(&self) -> String {
        let token = uuid::Uuid::new_v4().simple().to_string();
        self.known.lock().push(token.clone());
        token
    }

    fn knows(&self, authorization: &str) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        self.known.lock().iter().any(|known| known == token)
    }

    /// Ends every token, as the hour does.
    pub fn expire(&self) {
        self.known.lock().clear();
    }
}

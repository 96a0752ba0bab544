//! `/twilio/2010-04-01/Accounts/{sid}/…`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Utc;
use serde_json::{Value, json};

use super::Faults;
use crate::{
    server::Simulators,
    vendor::{self, Taken},
};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/twilio/behaviour",
            web::get().to(async |state: web::Data<Simulators>| {
                HttpResponse::Ok().json(state.twilio.faults())
            }),
        )
        .route("/twilio/behaviour", web::put().to(put_behaviour))
        .route(
            "/twilio/2010-04-01/Accounts/{sid}/Messages.json",
            web::post().to(send),
        )
        .route(
            "/twilio/2010-04-01/Accounts/{sid}/Messages/{id}.json",
            web::get().to(show),
        )
        .route(
            "/twilio/2010-04-01/Accounts/{sid}/Balance.json",
            web::get().to(balance),
        );
}

async fn put_behaviour(body: web::Json<Faults>, state: web::Data<Simulators>) -> HttpResponse {
    state.twilio.set_faults(body.into_inner());
    HttpResponse::Ok().json(state.twilio.faults())
}

fn refuse(status: u16, code: i64, message: &str) -> HttpResponse {
    let line = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(line).json(json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status,
    }))
}

fn authorised(request: &HttpRequest, sid: &str, state: &Simulators) -> bool {
    let keys = &state.options.vendors;
    let wanted = BASE64_STANDARD.encode(format!(
        "{}:{}",
        keys.twilio_account_sid, keys.twilio_auth_token
    ));
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    sid == keys.twilio_account_sid && given == Some(format!("Basic {wanted}").as_str())
}

fn document(taken: &Taken, status: &str, sid: &str) -> Value {
    let characters = taken.text.chars().count();
    json!({
        "sid": taken.id, "account_sid": sid, "to": taken.to, "body": taken.text, "status": status,
        "num_segments": characters.div_ceil(153).max(1).to_string(), "price": null, "price_unit": "USD",
        "error_code": null, "error_message": null, "direction": "outbound-api", "api_version": "2010-04-01",
        "date_created": taken.at.to_rfc2822(),
        "uri": format!("/2010-04-01/Accounts/{sid}/Messages/{}.json", taken.id),
    })
}

async fn balance(
    request: HttpRequest,
    sid: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if !authorised(&request, &sid, &state) {
        return refuse(401, 20003, "Authenticate");
    }
    HttpResponse::Ok().json(json!({"account_sid": *sid, "balance": "12.3400", "currency": "USD"}))
}

async fn show(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let (sid, id) = path.into_inner();
    if !authorised(&request, &sid, &state) {
        return refuse(401, 20003, "Authenticate");
    }
    let account = &state.twilio;
    account
        .answer(|| match account.find(&id) {
            None => refuse(404, 20404, "The requested resource was not found"),
            Some(taken) => {
                let natural = if (Utc::now() - taken.at).num_milliseconds() < 500 {
                    "sent"
                } else {
                    "delivered"
                };
                let status = account.faults().delivery_status;
                HttpResponse::Ok().json(document(
                    &taken,
                    status.as_deref().unwrap_or(natural),
                    &sid,
                ))
            }
        })
        .await
}

async fn send(
    request: HttpRequest,
    sid: web::Path<String>,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    state.recorder.add(&request, &body);
    let form_body = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let given = if form_body {
        vendor::form(&body)
    } else {
        BTreeMap::new()
    };
    if !authorised(&request, &sid, &state) {
        return refuse(401, 20003, "Authenticate");
    }
    let account = &state.twilio;
    account.answer(|| take(&state, &sid, &given)).await
}

fn take(state: &Simulators, sid: &str, given: &BTreeMap<String, String>) -> HttpResponse {
    match state.twilio.forced_failure() {
        Some(20429) => return refuse(429, 20429, "Too Many Requests"),
        Some(code @ 500..=599) => {
            return HttpResponse::build(
                u16::try_from(code)
                    .ok()
                    .and_then(|code| StatusCode::from_u16(code).ok())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            )
            .body("upstream error");
        }
        Some(code) => return refuse(400, code, "The request was refused"),
        None => {}
    }
    let empty = String::new();
    let to = given.get("To").unwrap_or(&empty);
    let text = given.get("Body").unwrap_or(&empty);
    let digits = to.strip_prefix('+').unwrap_or_default();
    if digits.len() < 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return refuse(400, 21211, "The 'To' number is not a valid phone number.");
    }
    if !given.contains_key("From") && !given.contains_key("MessagingServiceSid") {
        return refuse(400, 21603, "A 'From' phone number is required.");
    }
    if text.is_empty() {
        return refuse(400, 21602, "Message body is required.");
    }
    if text.chars().count() > 1_600 {
        return refuse(
            400,
            21617,
            "The concatenated message body exceeds the 1600 character limit.",
        );
    }
    let taken = Taken {
        id: format!("SM{:032x}", state.twilio.count() + 1),
        to: to.clone(),
        text: text.clone(),
        at: Utc::now(),
    };
    if vendor::show(state, "twilio", &taken).is_err() {
        return refuse(500, 20500, "Internal Server Error");
    }
    let answer = document(&taken, "queued", sid);
    state.twilio.add(taken);
    HttpResponse::Created().json(answer)
}

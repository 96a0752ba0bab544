//! Wave Checkout (providers.md 8.1): sessions, search, expiry and refund under `/dev/wave/v1/`.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use super::{
    NewSession, Replay, Session, SessionState, hosted,
    hosted::{PageQuery, letters},
    key, stumble,
};
use crate::{sandbox::hosted::Decision, server::Simulators};

const BASE: &str = "/dev/wave/v1/checkout/sessions";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource(BASE)
                .route(web::post().to(create))
                .route(web::get().to(by_transaction)),
        )
        .route(&format!("{BASE}/search"), web::get().to(search))
        .route(&format!("{BASE}/{{id}}"), web::get().to(retrieve))
        .route(&format!("{BASE}/{{id}}/expire"), web::post().to(expire))
        .route(&format!("{BASE}/{{id}}/refund"), web::post().to(refund))
        .service(
            web::resource("/dev/wave/c/{id}")
                .route(web::get().to(show))
                .route(web::post().to(decide)),
        );
}

fn fail(status: u16, code: &str, message: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(json!({ "code": code, "message": message, "details": [] }))
}

fn invalid(field: &str, message: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({
        "code": "request-validation-error", "message": "Request invalid",
        "details": [{ "loc": [field], "msg": message }],
    }))
}

fn unknown() -> HttpResponse {
    fail(
        404,
        "checkout-session-not-found",
        "The checkout session was not found",
    )
}

async fn refused(request: &HttpRequest, state: &Simulators) -> Option<HttpResponse> {
    if let Some(stumbled) = stumble(&state.wave).await {
        return Some(stumbled);
    }
    if request.headers().get("authorization").is_none() {
        return Some(fail(
            401,
            "missing-auth-header",
            "Your request should include an HTTP auth header.",
        ));
    }
    (!crate::server::has_bearer(request, key(state))).then(|| {
        fail(
            401,
            "no-matching-api-key",
            "The key you provided doesn't exist",
        )
    })
}

fn stored(outcome: anyhow::Result<HttpResponse>, state: &Simulators) -> HttpResponse {
    match outcome {
        Ok(_) if state.wave.loses_answer() => HttpResponse::GatewayTimeout().finish(),
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a Wave session could not be stored");
            fail(500, "internal-server-error", "Something went wrong")
        }
    }
}

fn object(session: &Session, state: &Simulators) -> Value {
    let (checkout, payment) = match session.state {
        SessionState::Open => ("open", "processing"),
        SessionState::Paid => ("complete", "succeeded"),
        SessionState::Declined => ("open", "cancelled"),
        SessionState::Expired | SessionState::Reversed => ("expired", "cancelled"),
    };
    let error = (session.state == SessionState::Declined).then(
        || json!({ "code": "insufficient-funds", "message": "The customer has not enough funds." }),
    );
    json!({
        "id": session.id, "amount": (session.amount + state.wave.faults().amount_offset).to_string(),
        "currency": session.currency, "checkout_status": checkout, "payment_status": payment,
        "client_reference": session.order_id, "success_url": session.return_url,
        "error_url": session.cancel_url, "business_name": "Cabinet", "transaction_id": session.reference,
        "last_payment_error": error, "wave_launch_url": state.page_url(&format!("/dev/wave/c/{}", session.id)),
        "when_created": session.created_at, "when_completed": null,
        "when_expires": session.created_at + chrono::TimeDelta::minutes(30),
    })
}

/// Digits only, no leading zero.
fn amount(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let well_formed = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| well_formed)
}

/// https; also this machine and names kept for tests (RFC 6761), which have no certificates.
fn is_safe(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        url.scheme() == "https"
            || matches!(host, "localhost" | "127.0.0.1")
            || host.ends_with(".test")
    })
}

async fn create(request: HttpRequest, body: String, state: web::Data<Simulators>) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let Ok(call) = serde_json::from_str::<Value>(&body) else {
        return fail(400, "request-not-json", "The request body is not JSON");
    };
    let header = request
        .headers()
        .get("Idempotency-Key")
        .and_then(|key| key.to_str().ok());
    if let Some(used) = header {
        match state.wave.replay(used, &body) {
            Replay::New => {}
            Replay::Same(session) => return HttpResponse::Ok().json(object(&session, &state)),
            Replay::Other => {
                return fail(
                    422,
                    "idempotency-mismatch",
                    "The key was used with another body",
                );
            }
        }
    }
    let Some(amount) = amount(&call["amount"]) else {
        return invalid(
            "amount",
            "must be a string of digits without a leading zero",
        );
    };
    if call["currency"].as_str() != Some("XOF") {
        return invalid("currency", "must be XOF");
    }
    let text = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
    for field in ["success_url", "error_url"] {
        if !is_safe(&text(field)) {
            return invalid(field, "must be an https address");
        }
    }
    if text("client_reference").len() > 255 {
        return invalid("client_reference", "at most 255 characters");
    }
    let new = NewSession {
        amount,
        currency: "XOF".to_owned(),
        order_id: text("client_reference"),
        description: String::new(),
        return_url: text("success_url"),
        cancel_url: text("error_url"),
        request: header.map(|used| (used.to_owned(), body.clone())),
    };
    let created = state
        .wave
        .create(format!("cos-{}", letters(16).to_lowercase()), new);
    stored(
        created.map(|session| HttpResponse::Ok().json(object(&session, &state))),
        &state,
    )
}

async fn retrieve(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let session = state.wave.find(&id);
    session.map_or_else(unknown, |session| {
        HttpResponse::Ok().json(object(&session, &state))
    })
}

async fn by_transaction(
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let wanted = query.get("transaction_id").cloned();
    let found = state
        .wave
        .list(|session| wanted.is_some() && session.reference == wanted);
    found.first().map_or_else(unknown, |session| {
        HttpResponse::Ok().json(object(session, &state))
    })
}

async fn search(
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let Some(wanted) = query.get("client_reference") else {
        return invalid("client_reference", "field required");
    };
    let found = state.wave.list(|session| session.order_id == *wanted);
    let result: Vec<Value> = found
        .iter()
        .map(|session| object(session, &state))
        .collect();
    HttpResponse::Ok().json(json!({ "result": result }))
}

async fn expire(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let mut complete = false;
    let changed = state.wave.change(&id, |session| {
        complete = session.state == SessionState::Paid;
        if !complete {
            session.state = SessionState::Expired;
        }
    });
    let answer = changed.map(|session| match session {
        None => unknown(),
        Some(_) if complete => fail(409, "checkout-session-complete", "The session is complete"),
        Some(_) => HttpResponse::Ok().finish(),
    });
    stored(answer, &state)
}

/// The whole amount, any number of times with the same effect.
async fn refund(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let made = state.wave.refund(
        &id,
        None,
        format!("TCN{}", letters(10)),
        (Some("whole"), None),
    );
    let answer = made.map(|made| match made {
        Ok(_) => HttpResponse::Ok().finish(),
        Err("no such payment") => unknown(),
        Err(reason) => fail(400, "checkout-refund-failed", reason),
    });
    stored(answer, &state)
}

async fn show(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let session = state.wave.find(&id);
    let shown = session.as_ref().map(|s| (s, s.amount, "XOF"));
    hosted::show(&state, &request, query.lang.as_deref(), shown)
}

async fn decide(
    id: web::Path<String>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let reference = format!("TCN{}", letters(10).to_uppercase());
    hosted::decide(
        &state.wave,
        &id,
        &form.decision,
        reference,
        |session| match session.state {
            SessionState::Paid => session.return_url.clone(),
            _ => session.cancel_url.clone(),
        },
    )
}

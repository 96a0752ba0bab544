//! Stripe Checkout (providers.md 5): sessions, expiry and refunds under `/dev/stripe/v1/`, form bodies, idempotency keys.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use super::{
    NewSession, Replay, Session, SessionRefund, SessionState, hosted,
    hosted::{PageQuery, letters},
    key, stumble,
};
use crate::{sandbox::hosted::Decision, server::Simulators};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/dev/stripe/v1/checkout/sessions")
                .route(web::post().to(create))
                .route(web::get().to(list)),
        )
        .route(
            "/dev/stripe/v1/checkout/sessions/{id}",
            web::get().to(retrieve),
        )
        .route(
            "/dev/stripe/v1/checkout/sessions/{id}/expire",
            web::post().to(expire),
        )
        .service(
            web::resource("/dev/stripe/v1/refunds")
                .route(web::post().to(refund))
                .route(web::get().to(list_refunds)),
        )
        .route("/dev/stripe/v1/refunds/{id}", web::get().to(show_refund))
        .service(
            web::resource("/dev/stripe/c/{id}")
                .route(web::get().to(show))
                .route(web::post().to(decide)),
        );
}

fn fail(status: StatusCode, kind: &str, code: &str, message: &str, param: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(("Request-Id", format!("req_{}", letters(14))))
        .json(
            json!({ "error": { "type": kind, "code": code, "message": message, "param": param } }),
        )
}

fn invalid(message: &str, param: &str) -> HttpResponse {
    fail(
        StatusCode::BAD_REQUEST,
        "invalid_request_error",
        "parameter_invalid",
        message,
        param,
    )
}

fn missing() -> HttpResponse {
    let kind = "invalid_request_error";
    fail(
        StatusCode::NOT_FOUND,
        kind,
        "resource_missing",
        "No such checkout.session",
        "id",
    )
}

/// Faults, then the key; `None` when the call may go on.
async fn refused(request: &HttpRequest, state: &Simulators) -> Option<HttpResponse> {
    if let Some(stumbled) = stumble(&state.stripe).await {
        return Some(stumbled);
    }
    (!crate::server::has_bearer(request, key(state))).then(|| {
        let kind = "invalid_request_error";
        fail(
            StatusCode::UNAUTHORIZED,
            kind,
            "api_key_invalid",
            "Invalid API Key provided",
            "",
        )
    })
}

fn stored(outcome: anyhow::Result<HttpResponse>, state: &Simulators) -> HttpResponse {
    match outcome {
        Ok(_) if state.stripe.loses_answer() => HttpResponse::GatewayTimeout().finish(),
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a Stripe session could not be stored");
            fail(
                StatusCode::INTERNAL_SERVER_ERROR,
                "api_error",
                "internal",
                "An error occurred",
                "",
            )
        }
    }
}

fn object(session: &Session, state: &Simulators) -> Value {
    let (status, paid) = match session.state {
        SessionState::Open | SessionState::Declined => ("open", "unpaid"),
        SessionState::Paid => ("complete", "paid"),
        SessionState::Expired | SessionState::Reversed => ("expired", "unpaid"),
    };
    let url = (status == "open").then(|| state.page_url(&format!("/dev/stripe/c/{}", session.id)));
    json!({
        "id": session.id, "object": "checkout.session", "status": status, "payment_status": paid,
        "amount_total": session.amount + state.stripe.faults().amount_offset,
        "currency": session.currency, "client_reference_id": session.order_id,
        "payment_intent": session.reference, "mode": "payment", "url": url, "livemode": false,
        "success_url": session.return_url, "cancel_url": session.cancel_url, "metadata": {},
        "created": session.created_at.timestamp(),
        "expires_at": (session.created_at + chrono::TimeDelta::hours(24)).timestamp(),
    })
}

async fn create(request: HttpRequest, body: String, state: web::Data<Simulators>) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let header = request
        .headers()
        .get("Idempotency-Key")
        .and_then(|key| key.to_str().ok());
    if let Some(used) = header {
        match state.stripe.replay(used, &body) {
            Replay::New => {}
            Replay::Same(session) => {
                return HttpResponse::Ok()
                    .insert_header(("Idempotent-Replayed", "true"))
                    .json(object(&session, &state));
            }
            Replay::Other => {
                let words =
                    "Keys for idempotent requests can only be used with the same parameters";
                return fail(StatusCode::BAD_REQUEST, "idempotency_error", "", words, "");
            }
        }
    }
    if text("mode") != "payment" {
        return invalid("You must provide mode", "mode");
    }
    let price = "line_items[0][price_data]";
    let amount = text(&format!("{price}[unit_amount]"))
        .parse::<i64>()
        .ok()
        .filter(|a| *a > 0);
    let Some(amount) = amount else {
        return invalid("Invalid integer", "line_items[0][price_data][unit_amount]");
    };
    let currency = text(&format!("{price}[currency]")).to_lowercase();
    if currency.len() != 3 || text(&format!("{price}[product_data][name]")).is_empty() {
        return invalid("Missing required param", "line_items[0][price_data]");
    }
    if text("line_items[0][quantity]") != "1" || !text("success_url").starts_with("http") {
        return invalid("Missing required param", "success_url");
    }
    if text("client_reference_id").len() > 200 {
        return invalid("client_reference_id is too long", "client_reference_id");
    }
    let new = NewSession {
        amount,
        currency,
        order_id: text("client_reference_id").to_owned(),
        description: text(&format!("{price}[product_data][name]")).to_owned(),
        return_url: text("success_url").to_owned(),
        cancel_url: text("cancel_url").to_owned(),
        request: header.map(|used| (used.to_owned(), body.clone())),
    };
    let created = state.stripe.create(format!("cs_test_{}", letters(32)), new);
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
    match state.stripe.find(&id) {
        Some(session) => HttpResponse::Ok().json(object(&session, &state)),
        None => missing(),
    }
}

/// Newest first; `created[gte]`, `created[lt]`, `starting_after`, `limit` and the expansion of the charge as documented.
async fn list(
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<i64>().ok());
    let since = number("created[gte]").unwrap_or(0);
    let until = number("created[lt]").unwrap_or(i64::MAX);
    let mut sessions = state
        .stripe
        .list(|session| (since..until).contains(&session.created_at.timestamp()));
    if let Some(after) = query.get("starting_after") {
        let seen = sessions.iter().position(|session| session.id == *after);
        sessions = sessions.split_off(seen.map_or(sessions.len(), |index| index + 1));
    }
    let limit = usize::try_from(number("limit").unwrap_or(10).clamp(1, 100)).unwrap_or(10);
    let expands = query
        .get("expand[]")
        .is_some_and(|path| path == "data.payment_intent.latest_charge");
    let data: Vec<Value> = sessions
        .iter()
        .take(limit)
        .map(|session| {
            let mut shown = object(session, &state);
            if let (true, Some(intent)) = (expands, &session.reference) {
                let charge = json!({ "object": "charge", "amount_refunded": session.refunded() });
                shown["payment_intent"] =
                    json!({ "id": intent, "object": "payment_intent", "latest_charge": charge });
            }
            shown
        })
        .collect();
    HttpResponse::Ok().json(json!({
        "object": "list", "url": "/v1/checkout/sessions", "has_more": sessions.len() > limit, "data": data,
    }))
}

async fn expire(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let mut was_open = false;
    let changed = state.stripe.change(&id, |session| {
        was_open = matches!(session.state, SessionState::Open | SessionState::Declined);
        if was_open {
            session.state = SessionState::Expired;
        }
    });
    let answer = changed.map(|session| match session {
        None => missing(),
        Some(_) if !was_open => invalid(
            "Only Checkout Sessions with a status in [\"open\"] can be expired.",
            "",
        ),
        Some(session) => HttpResponse::Ok().json(object(&session, &state)),
    });
    stored(answer, &state)
}

fn refund_object(refund: &SessionRefund, session: &Session) -> Value {
    json!({
        "id": refund.id, "object": "refund", "amount": refund.amount, "currency": session.currency,
        "payment_intent": session.reference, "status": "succeeded",
        "metadata": refund.note.as_ref().map_or_else(|| json!({}), |note| json!({ "refund_id": note })),
    })
}

async fn refund(request: HttpRequest, body: String, state: web::Data<Simulators>) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let form: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let intent = form.get("payment_intent").cloned().unwrap_or_default();
    let paid = state
        .stripe
        .list(|session| session.reference.as_deref() == Some(&intent));
    let Some(session) = paid.first() else {
        return invalid("No such payment_intent", "payment_intent");
    };
    let amount = form.get("amount").and_then(|amount| amount.parse().ok());
    let key = request
        .headers()
        .get("Idempotency-Key")
        .and_then(|key| key.to_str().ok());
    let note = form.get("metadata[refund_id]").map(String::as_str);
    let id = format!("re_{}", letters(24));
    let made = state.stripe.refund(&session.id, amount, id, (key, note));
    let answer = made.map(|made| match made {
        Ok(refund) => HttpResponse::Ok().json(refund_object(&refund, session)),
        Err(reason) => invalid(reason, "amount"),
    });
    stored(answer, &state)
}

async fn list_refunds(
    request: HttpRequest,
    query: web::Query<HashMap<String, String>>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let intent = query.get("payment_intent").cloned();
    let sessions = state
        .stripe
        .list(|session| intent.is_none() || session.reference == intent);
    let data: Vec<Value> = sessions
        .iter()
        .flat_map(|session| {
            session
                .refunds
                .iter()
                .map(|refund| refund_object(refund, session))
        })
        .collect();
    HttpResponse::Ok()
        .json(json!({ "object": "list", "url": "/v1/refunds", "has_more": false, "data": data }))
}

async fn show_refund(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(refused) = refused(&request, &state).await {
        return refused;
    }
    let sessions = state
        .stripe
        .list(|session| session.refunds.iter().any(|refund| refund.id == *id));
    let found = sessions.first().and_then(|session| {
        let refund = session.refunds.iter().find(|refund| refund.id == *id)?;
        Some(refund_object(refund, session))
    });
    found.map_or_else(missing, |refund| HttpResponse::Ok().json(refund))
}

async fn show(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let session = state.stripe.find(&id);
    let currency = session
        .as_ref()
        .map(|s| s.currency.to_uppercase())
        .unwrap_or_default();
    let shown = session.as_ref().map(|s| (s, s.amount, currency.as_str()));
    hosted::show(&state, &request, query.lang.as_deref(), shown)
}

/// Leaving the page pays nothing and closes nothing: the session stays open until it lapses.
async fn decide(
    id: web::Path<String>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let reference = format!("pi_{}", letters(24));
    hosted::decide(
        &state.stripe,
        &id,
        &form.decision,
        reference,
        |session| match session.state {
            SessionState::Paid => session
                .return_url
                .replace("{CHECKOUT_SESSION_ID}", &session.id),
            _ => session.cancel_url.clone(),
        },
    )
}

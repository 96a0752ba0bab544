//! PayPing v3 (providers.md 3b): `/dev/payping/v3/pay`, `/v3/pay/verify` and the payer's page. Amounts are toman.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use super::{
    NewSession, SessionState, hosted,
    hosted::{PageQuery, letters, with_query},
    key, stumble,
};
use crate::{sandbox::hosted::Decision, server::Simulators};

/// Smallest payment, toman.
const MINIMUM: i64 = 100;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/dev/payping/v3/pay", web::post().to(pay))
        .route("/dev/payping/v3/pay/verify", web::post().to(verify))
        .service(
            web::resource("/dev/payping/pay/{code}")
                .route(web::get().to(show))
                .route(web::post().to(decide)),
        );
}

fn fail(status: StatusCode, code: i64, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({
        "traceId": letters(16), "metaData": { "code": code, "message": message,
            "errors": [{ "code": code, "message": message }] },
    }))
}

async fn pay(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(stumbled) = stumble(&state.payping).await {
        return stumbled;
    }
    if !crate::server::has_bearer(&request, key(&state)) {
        return HttpResponse::Unauthorized().finish();
    }
    let amount = body["amount"].as_i64().filter(|amount| *amount >= MINIMUM);
    let (Some(amount), Some(back)) = (amount, body["returnUrl"].as_str()) else {
        return fail(
            StatusCode::BAD_REQUEST,
            100,
            "amount and returnUrl are required",
        );
    };
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let new = NewSession {
        amount,
        currency: "IRT".to_owned(),
        order_id: text("clientRefId"),
        description: text("description"),
        return_url: back.to_owned(),
        cancel_url: back.to_owned(),
        request: None,
    };
    let session = match state.payping.create(letters(12).to_lowercase(), new) {
        Ok(session) => session,
        Err(error) => {
            tracing::error!(%error, "a PayPing payment could not be stored");
            return HttpResponse::ServiceUnavailable().finish();
        }
    };
    if state.payping.loses_answer() {
        return HttpResponse::GatewayTimeout().finish();
    }
    let url = state.page_url(&format!("/dev/payping/pay/{}", session.id));
    HttpResponse::Ok().json(json!({ "paymentCode": session.id, "url": url, "amount": amount }))
}

async fn verify(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(stumbled) = stumble(&state.payping).await {
        return stumbled;
    }
    if !crate::server::has_bearer(&request, key(&state)) {
        return HttpResponse::Unauthorized().finish();
    }
    let Some(session) = state
        .payping
        .find(body["paymentCode"].as_str().unwrap_or_default())
    else {
        return fail(StatusCode::NOT_FOUND, 113, "the payment code is not known");
    };
    let reference = match &body["paymentRefId"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if session.state != SessionState::Paid || session.reference.as_deref() != Some(&reference) {
        return fail(StatusCode::BAD_REQUEST, 133, "the payment is not paid");
    }
    if body["amount"].as_i64() != Some(session.amount + state.payping.faults().amount_offset) {
        return fail(StatusCode::BAD_REQUEST, 112, "the amount differs");
    }
    if session.verified {
        return fail(StatusCode::CONFLICT, 110, "the payment was verified before");
    }
    if let Err(error) = state
        .payping
        .change(&session.id, |session| session.verified = true)
    {
        tracing::error!(%error, "a PayPing payment could not be stored");
        return HttpResponse::ServiceUnavailable().finish();
    }
    if state.payping.loses_answer() {
        return HttpResponse::GatewayTimeout().finish();
    }
    HttpResponse::Ok().json(json!({
        "amount": session.amount, "cardNumber": "603799******1234", "paymentRefId": reference,
        "paymentCode": session.id, "clientRefId": session.order_id, "cardHashPan": letters(32),
    }))
}

async fn show(
    request: HttpRequest,
    code: web::Path<String>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let session = state.payping.find(&code);
    let shown = session.as_ref().map(|s| (s, s.amount * 10, "IRR"));
    hosted::show(&state, &request, query.lang.as_deref(), shown)
}

/// The real page posts a form back; the address carries the same names here, so that a plain redirect works.
async fn decide(
    code: web::Path<String>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let reference = rand::random_range(100_000_000..999_999_999_i64).to_string();
    hosted::decide(
        &state.payping,
        &code,
        &form.decision,
        reference,
        |session| {
            let reference = session.reference.clone().unwrap_or_default();
            with_query(
                &session.return_url,
                &[
                    ("paymentCode", &session.id),
                    ("paymentRefId", &reference),
                    ("clientRefId", &session.order_id),
                ],
            )
        },
    )
}

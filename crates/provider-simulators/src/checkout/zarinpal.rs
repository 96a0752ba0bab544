//! ZarinPal REST v4 (providers.md 4): `/dev/zarinpal/pg/v4/payment/*.json`, `/dev/zarinpal/pg/StartPay/{authority}` and the
//! refund mutation of its GraphQL.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

use super::{
    NewSession, Session, SessionState, hosted,
    hosted::{PageQuery, letters, with_query},
    key, stumble,
};
use crate::{sandbox::hosted::Decision, server::Simulators};

/// Smallest payment, rial.
const MINIMUM: i64 = 1_000;
/// Largest payment, rial (100,000,000 toman, -41).
const MAXIMUM: i64 = 1_000_000_000;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/dev/zarinpal/pg/v4/payment/{call}.json",
            web::post().to(call),
        )
        .route("/dev/zarinpal/api/v4/graphql/", web::post().to(graphql))
        .service(
            web::resource("/dev/zarinpal/pg/StartPay/{authority}")
                .route(web::get().to(show))
                .route(web::post().to(decide)),
        );
}

fn data(data: Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "data": data, "errors": [] }))
}

/// Failures have `data: []` and an object in `errors`.
fn fail(code: i64, message: &str) -> HttpResponse {
    let status = match code {
        -9 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    HttpResponse::build(status).json(json!({
        "data": [], "errors": { "code": code, "message": message, "validations": [] }
    }))
}

fn rial(amount: i64, currency: &str) -> i64 {
    match currency {
        "IRT" => amount * 10,
        _ => amount,
    }
}

async fn call(
    call: web::Path<String>,
    body: web::Json<Value>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(stumbled) = stumble(&state.zarinpal).await {
        return stumbled;
    }
    if body["merchant_id"].as_str() != Some(key(&state)) {
        return fail(
            -10,
            "Terminal is not valid, please check merchant_id or ip address.",
        );
    }
    let answer = match call.as_str() {
        "request" => request(&state, &body),
        "verify" => verify(&state, &body),
        "inquiry" => inquiry(&state, &body),
        "unVerified" => unverified(&state),
        "reverse" => reverse(&state, &body),
        _ => Ok(HttpResponse::NotFound().finish()),
    };
    let answer = answer.unwrap_or_else(|error| {
        tracing::error!(%error, "a ZarinPal session could not be stored");
        fail(-52, "Oops!!, please contact our support team.")
    });
    match state.zarinpal.loses_answer() {
        true => HttpResponse::GatewayTimeout().finish(),
        false => answer,
    }
}

fn request(state: &Simulators, body: &Value) -> anyhow::Result<HttpResponse> {
    let currency = body["currency"].as_str().unwrap_or("IRR");
    let Some(amount) = body["amount"].as_i64().filter(|amount| *amount > 0) else {
        return Ok(fail(-9, "The amount must be an integer."));
    };
    let callback = body["callback_url"].as_str().unwrap_or_default();
    let description = body["description"].as_str().unwrap_or_default();
    if description.is_empty() || description.chars().count() > 500 {
        return Ok(fail(
            -9,
            "The description is required and has at most 500 characters.",
        ));
    }
    if !callback.starts_with("http") {
        return Ok(fail(-9, "The callback url is not valid."));
    }
    if !matches!(currency, "IRR" | "IRT") || rial(amount, currency) < MINIMUM {
        return Ok(fail(-9, "The amount must be at least 1000."));
    }
    if rial(amount, currency) > MAXIMUM {
        return Ok(fail(-41, "Maximum amount is 100,000,000 tomans."));
    }
    let new = NewSession {
        amount,
        currency: currency.to_owned(),
        order_id: body["metadata"]["order_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        description: description.to_owned(),
        return_url: callback.to_owned(),
        cancel_url: callback.to_owned(),
        request: None,
    };
    let session = state.zarinpal.create(format!("S{}", letters(35)), new)?;
    Ok(data(json!({
        "code": 100, "message": "Success", "authority": session.id, "fee_type": "Merchant", "fee": 1200,
    })))
}

fn found(state: &Simulators, body: &Value) -> Option<Session> {
    state
        .zarinpal
        .find(body["authority"].as_str().unwrap_or_default())
}

fn verify(state: &Simulators, body: &Value) -> anyhow::Result<HttpResponse> {
    let Some(session) = found(state, body) else {
        return Ok(fail(-54, "Invalid authority."));
    };
    if session.state != SessionState::Paid {
        return Ok(fail(
            -51,
            "Session is not valid, session is not active paid try.",
        ));
    }
    // The currency is not named again: the amount is in the one of the request.
    if body["amount"].as_i64() != Some(session.amount + state.zarinpal.faults().amount_offset) {
        return Ok(fail(
            -50,
            "Session is not valid, amounts values is not the same.",
        ));
    }
    let code = if session.verified { 101 } else { 100 };
    state
        .zarinpal
        .change(&session.id, |session| session.verified = true)?;
    let reference: i64 = session
        .reference
        .as_deref()
        .and_then(|r| r.parse().ok())
        .unwrap_or_default();
    Ok(data(json!({
        "code": code, "message": if code == 100 { "Paid" } else { "Verified" },
        "card_hash": "1EBE3EBEBE35C7EC0F8D6EE4F2F859107A87822CA179BC9528767EA7B5489B69",
        "card_pan": "502229******5995", "ref_id": reference, "fee_type": "Merchant", "fee": 1200,
        "wages": null,
    })))
}

fn inquiry(state: &Simulators, body: &Value) -> anyhow::Result<HttpResponse> {
    let Some(session) = found(state, body) else {
        return Ok(fail(-54, "Invalid authority."));
    };
    let status = match session.state {
        SessionState::Open => "IN_BANK",
        SessionState::Paid if session.verified => "VERIFIED",
        SessionState::Paid => "PAID",
        SessionState::Declined | SessionState::Expired => "FAILED",
        SessionState::Reversed => "REVERSED",
    };
    Ok(data(
        json!({ "status": status, "code": 100, "message": "Success" }),
    ))
}

fn unverified(state: &Simulators) -> anyhow::Result<HttpResponse> {
    let authorities: Vec<Value> = state
        .zarinpal
        .list(|session| session.state == SessionState::Paid && !session.verified)
        .iter()
        .take(100)
        .map(|session| {
            json!({
                "authority": session.id, "amount": session.amount, "callback_url": session.return_url,
                "referer": "", "date": session.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            })
        })
        .collect();
    Ok(data(
        json!({ "code": 100, "message": "Success", "authorities": authorities }),
    ))
}

fn reverse(state: &Simulators, body: &Value) -> anyhow::Result<HttpResponse> {
    let Some(session) = found(state, body) else {
        return Ok(fail(-54, "Invalid authority."));
    };
    if session.state != SessionState::Paid {
        return Ok(fail(-61, "Session is not in success status."));
    }
    if chrono::Utc::now() - session.created_at > chrono::TimeDelta::minutes(30) {
        return Ok(fail(
            -63,
            "Maximum time for reverse this session is expired.",
        ));
    }
    state.zarinpal.change(&session.id, |session| {
        session.state = SessionState::Reversed
    })?;
    Ok(data(json!({ "code": 100, "message": "Reversed" })))
}

/// `AddRefund` with the access token.
async fn graphql(
    request: HttpRequest,
    body: web::Json<Value>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Some(stumbled) = stumble(&state.zarinpal).await {
        return stumbled;
    }
    if !crate::server::has_bearer(&request, key(&state)) {
        return HttpResponse::Unauthorized()
            .json(json!({ "errors": [{ "message": "Unauthenticated." }] }));
    }
    let variables = &body["variables"];
    let session = variables["session_id"].as_str().unwrap_or_default();
    let refund = match variables["amount"].as_i64() {
        Some(amount) if amount >= MINIMUM => {
            let number = rand::random_range(1_000_000..999_999_999_i64).to_string();
            state
                .zarinpal
                .refund(session, Some(amount), number, (None, None))
        }
        _ => Ok(Err("the amount is too small")),
    };
    match refund {
        Ok(Ok(refund)) => HttpResponse::Ok().json(json!({ "data": { "resource": {
            "id": refund.id, "terminal_id": "1", "amount": refund.amount,
            "timeline": { "refund_amount": refund.amount, "refund_time": null, "refund_status": "PENDING" },
        } } })),
        Ok(Err(reason)) => HttpResponse::Ok().json(json!({ "data": null, "errors": [{ "message": reason }] })),
        Err(error) => {
            tracing::error!(%error, "a ZarinPal refund could not be stored");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn show(
    request: HttpRequest,
    authority: web::Path<String>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let session = state.zarinpal.find(&authority);
    let shown = session
        .as_ref()
        .map(|s| (s, rial(s.amount, &s.currency), "IRR"));
    hosted::show(&state, &request, query.lang.as_deref(), shown)
}

async fn decide(
    authority: web::Path<String>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let reference = rand::random_range(100_000_000..999_999_999_i64).to_string();
    hosted::decide(
        &state.zarinpal,
        &authority,
        &form.decision,
        reference,
        |session| {
            let status = if session.state == SessionState::Paid {
                "OK"
            } else {
                "NOK"
            };
            with_query(
                &session.return_url,
                &[("Authority", &session.id), ("Status", status)],
            )
        },
    )
}

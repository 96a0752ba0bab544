//! `/dev/sandbox/payments…` (bearer key) and `/dev/sandbox/behaviour/`.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    model::{Behaviour, Payment},
    store::{NewPayment, RefundError},
};
use crate::server::Simulators;

const CURRENCIES: [&str; 5] = ["IRR", "IRT", "XOF", "EUR", "USD"];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for slash in ["", "/"] {
        config
            .service(
                web::resource(format!("/dev/sandbox/payments{slash}"))
                    .route(web::post().to(create_payment))
                    .route(web::get().to(list_payments)),
            )
            .route(
                &format!("/dev/sandbox/payments/settled{slash}"),
                web::get().to(list_settled),
            )
            .route(
                &format!("/dev/sandbox/payments/{{id}}{slash}"),
                web::get().to(get_payment),
            )
            .service(
                web::resource(format!("/dev/sandbox/payments/{{id}}/refunds{slash}"))
                    .route(web::post().to(create_refund))
                    .route(web::get().to(list_refunds)),
            )
            .route(
                &format!("/dev/sandbox/deliveries{slash}"),
                web::get().to(list_deliveries),
            )
            .service(
                web::resource(format!("/dev/sandbox/behaviour{slash}"))
                    .route(web::get().to(get_behaviour))
                    .route(web::put().to(put_behaviour)),
            );
    }
}

fn refusal(status: u16, code: &str, message: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status)
        .unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).json(json!({ "error": { "code": code, "message": message } }))
}

/// Checks the bearer key and waits as long as the behaviour says.
async fn enter(request: &HttpRequest, state: &Simulators) -> Result<(), HttpResponse> {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if given != Some(state.options.sandbox_api_key.as_str()) {
        return Err(refusal(
            401,
            "unauthorized",
            "The API key is missing or wrong.",
        ));
    }
    let delay = state.sandbox.behaviour().api_delay_ms;
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    Ok(())
}

fn shape(state: &Simulators, payment: &Payment) -> Value {
    let refunded = payment.refunded();
    json!({
        "id": payment.id,
        "status": payment.status,
        "amount": payment.amount + state.sandbox.behaviour().amount_offset,
        "currency": payment.currency,
        "order_id": payment.order_id,
        "description": payment.description,
        "reference": payment.reference,
        "refunded_amount": refunded,
        "hosted_url": state.hosted_url(&payment.id),
        "created_at": payment.created_at,
        "decided_at": payment.decided_at,
    })
}

#[derive(Deserialize)]
struct CreatePayment {
    amount: i64,
    currency: String,
    order_id: String,
    callback_url: String,
    #[serde(default)]
    description: String,
}

async fn create_payment(
    request: HttpRequest,
    body: web::Json<CreatePayment>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    if state
        .sandbox
        .use_up(|behaviour| &mut behaviour.fail_create_calls)
    {
        return refusal(
            503,
            "unavailable",
            "The provider is not available (switched so).",
        );
    }
    let body = body.into_inner();
    if body.amount <= 0 {
        return refusal(
            422,
            "amount",
            "The amount must be a positive number of minor units.",
        );
    }
    if !CURRENCIES.contains(&body.currency.as_str()) {
        return refusal(
            422,
            "currency",
            "The currency is not one of IRR, IRT, XOF, EUR, USD.",
        );
    }
    let callback = url::Url::parse(&body.callback_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    if callback.is_none() {
        return refusal(
            422,
            "callback_url",
            "The callback URL must be absolute, http or https.",
        );
    }
    let idempotency_key = request
        .headers()
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let (amount, currency) = (body.amount, body.currency.clone());
    let created = state.sandbox.create(NewPayment {
        amount: body.amount,
        currency: body.currency,
        order_id: body.order_id,
        callback_url: body.callback_url,
        description: body.description,
        idempotency_key,
    });
    match created {
        Ok((payment, _)) if payment.amount != amount || payment.currency != currency => refusal(
            422,
            "idempotency_key_reused",
            "This key created another payment.",
        ),
        Ok((payment, new)) => {
            let mut answer = if new {
                HttpResponse::Created()
            } else {
                HttpResponse::Ok()
            };
            answer.json(shape(&state, &payment))
        }
        Err(error) => refusal(503, "storage", &error.to_string()),
    }
}

async fn get_payment(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    if state
        .sandbox
        .use_up(|behaviour| &mut behaviour.fail_status_calls)
    {
        return refusal(500, "internal", "The provider failed (switched so).");
    }
    match state.sandbox.find(&id) {
        Some(payment) => HttpResponse::Ok().json(shape(&state, &payment)),
        None => refusal(404, "not_found", "There is no such payment."),
    }
}

#[derive(Deserialize)]
struct OrderQuery {
    order_id: String,
}

async fn list_payments(
    request: HttpRequest,
    query: web::Query<OrderQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    let results: Vec<Value> = state
        .sandbox
        .by_order(&query.order_id)
        .iter()
        .map(|payment| shape(&state, payment))
        .collect();
    HttpResponse::Ok().json(json!({ "count": results.len(), "results": results }))
}

#[derive(Deserialize)]
struct SettledQuery {
    from: chrono::DateTime<chrono::Utc>,
    to: chrono::DateTime<chrono::Utc>,
}

async fn list_settled(
    request: HttpRequest,
    query: web::Query<SettledQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    let mut results: Vec<Value> = state
        .sandbox
        .settled_between(query.from, query.to)
        .iter()
        .map(|payment| shape(&state, payment))
        .collect();
    if state
        .sandbox
        .use_up(|behaviour| &mut behaviour.lists_before_refunds)
    {
        for line in &mut results {
            line["refunded_amount"] = json!(0);
        }
    }
    HttpResponse::Ok().json(json!({ "count": results.len(), "results": results }))
}

#[derive(Deserialize)]
struct CreateRefund {
    amount: i64,
    idempotency_key: String,
}

async fn create_refund(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Json<CreateRefund>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    if body.idempotency_key.is_empty() {
        return refusal(422, "idempotency_key", "A refund needs an idempotency key.");
    }
    let unavailable = || {
        refusal(
            503,
            "unavailable",
            "The provider is not available (switched so).",
        )
    };
    if state
        .sandbox
        .use_up(|behaviour| &mut behaviour.fail_refund_calls)
    {
        return unavailable();
    }
    let loses_answer = state
        .sandbox
        .use_up(|behaviour| &mut behaviour.lose_refund_answers);
    match state
        .sandbox
        .refund(&id, body.amount, &body.idempotency_key)
    {
        Ok(_) if loses_answer => unavailable(),
        Ok((payment, refund, new)) => {
            let mut answer = if new {
                HttpResponse::Created()
            } else {
                HttpResponse::Ok()
            };
            answer.json(json!({
                "id": refund.id,
                "payment_id": payment.id,
                "amount": refund.amount,
                "currency": payment.currency,
                "status": refund.status,
                "payment_status": payment.status,
                "idempotency_key": refund.idempotency_key,
                "created_at": refund.created_at,
            }))
        }
        Err(RefundError::Unknown) => refusal(404, "not_found", "There is no such payment."),
        Err(RefundError::NotPaid) => refusal(409, "not_paid", "The payment took no money."),
        Err(RefundError::TooMuch) => refusal(
            422,
            "amount",
            "The amount is not within what is left of the payment.",
        ),
        Err(RefundError::KeyReused) => refusal(
            422,
            "idempotency_key_reused",
            "This key was used with another amount.",
        ),
        Err(RefundError::Storage(error)) => refusal(503, "storage", &error),
    }
}

async fn list_refunds(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    if let Err(refused) = enter(&request, &state).await {
        return refused;
    }
    match state.sandbox.find(&id) {
        Some(payment) => HttpResponse::Ok()
            .json(json!({ "count": payment.refunds.len(), "results": payment.refunds })),
        None => refusal(404, "not_found", "There is no such payment."),
    }
}

async fn list_deliveries(state: web::Data<Simulators>) -> HttpResponse {
    let results = state.sandbox.deliveries();
    HttpResponse::Ok().json(json!({ "count": results.len(), "results": results }))
}

async fn get_behaviour(state: web::Data<Simulators>) -> HttpResponse {
    HttpResponse::Ok().json(state.sandbox.behaviour())
}

async fn put_behaviour(body: web::Json<Behaviour>, state: web::Data<Simulators>) -> HttpResponse {
    match state.sandbox.set_behaviour(body.into_inner()) {
        Ok(()) => HttpResponse::Ok().json(state.sandbox.behaviour()),
        Err(error) => refusal(503, "storage", &error.to_string()),
    }
}

//! `/bitpay/payment/…`, also under `/dev/bitpay/payment/…` so that a browser reaches the page through the gateway.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    sandbox::hosted::{Decision, page, words},
    server::Simulators,
};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for base in ["/bitpay", "/dev/bitpay"] {
        config
            .route(
                &format!("{base}/payment/gateway-send"),
                web::post().to(create_payment),
            )
            .route(
                &format!("{base}/payment/gateway-result-second"),
                web::post().to(verify_payment),
            )
            .service(
                web::resource(format!("{base}/payment/gateway-{{id}}-get"))
                    .route(web::get().to(show_payment))
                    .route(web::post().to(decide_payment)),
            );
    }
}

/// The dialect of a call: BitPay takes forms, Medogram's clients send JSON.
struct Call {
    fields: HashMap<String, String>,
    json: bool,
}

fn read(request: &HttpRequest, body: &[u8]) -> Call {
    let json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let fields = if json {
        serde_json::from_slice::<HashMap<String, Value>>(body)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                )
            })
            .collect()
    } else {
        url::form_urlencoded::parse(body).into_owned().collect()
    };
    Call { fields, json }
}

/// A bare integer, as `text/html` like the vendor.
fn integer(value: i64) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(value.to_string())
}

async fn create_payment(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let mut call = read(&request, &body);
    if call.fields.get("api") != Some(&state.options.bitpay_api_key) {
        return integer(-1);
    }
    let amount = call
        .fields
        .get("amount")
        .and_then(|amount| amount.parse::<i64>().ok())
        .filter(|a| *a >= 1_000);
    let Some(amount) = amount else {
        return integer(-2);
    };
    let redirect = call
        .fields
        .remove("redirect")
        .filter(|url| !url.trim().is_empty());
    let Some(redirect) = redirect else {
        return integer(-3);
    };
    let factor_id = call.fields.remove("factorId").unwrap_or_default();
    match state.bitpay.create(amount, factor_id, redirect) {
        Ok(id_get) => integer(id_get),
        Err(error) => {
            tracing::error!(%error, "a gateway payment could not be stored");
            integer(-5)
        }
    }
}

async fn verify_payment(
    request: HttpRequest,
    body: web::Bytes,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let call = read(&request, &body);
    let as_object = !call.json && call.fields.get("json").is_some_and(|flag| flag == "1");
    let number = |name: &str| {
        call.fields
            .get(name)
            .and_then(|value| value.parse::<i64>().ok())
    };
    let refuse = |code: i64| {
        if as_object {
            HttpResponse::Ok().json(json!({ "status": code }))
        } else {
            integer(code)
        }
    };
    if call.fields.get("api") != Some(&state.options.bitpay_api_key) {
        return refuse(-1);
    }
    let Some(trans_id) = number("trans_id") else {
        return refuse(-2);
    };
    let Some(id_get) = number("id_get") else {
        return refuse(-3);
    };
    match state.bitpay.verify(id_get, trans_id) {
        Ok(Some((payment, before))) => {
            let status = if before { 11 } else { 1 };
            if as_object {
                HttpResponse::Ok().json(json!({
                    "status": status,
                    "amount": payment.amount,
                    "cardNum": "603799******1234",
                    "factorId": payment.factor_id,
                }))
            } else if call.json {
                // Medogram's clients read the verified amount.
                integer(payment.amount)
            } else {
                integer(status)
            }
        }
        Ok(None) => refuse(-4),
        Err(error) => {
            tracing::error!(%error, "a verification could not be stored");
            refuse(-5)
        }
    }
}

#[derive(Deserialize)]
struct PageQuery {
    lang: Option<String>,
}

async fn show_payment(
    request: HttpRequest,
    id: web::Path<i64>,
    query: web::Query<PageQuery>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    let words = words(&request, query.lang.as_deref());
    match state.bitpay.find(*id) {
        Some(payment) => {
            let outcome = match (payment.trans_id, payment.paid) {
                (None, _) => "pending",
                (Some(_), true) => "paid",
                (Some(_), false) => "failed",
            };
            let view = page(
                words,
                Some((payment.amount, "IRR")),
                &payment.factor_id,
                "",
                outcome,
                None,
            );
            state.pages.answer(StatusCode::OK, "pay.html", view)
        }
        None => state.pages.answer(
            StatusCode::NOT_FOUND,
            "pay.html",
            page(words, None, "", "", "unknown", None),
        ),
    }
}

async fn decide_payment(
    id: web::Path<i64>,
    form: web::Form<Decision>,
    state: web::Data<Simulators>,
) -> HttpResponse {
    match state.bitpay.decide(*id, form.decision == "approve") {
        Ok(Some(payment)) => match url::Url::parse(&payment.redirect) {
            Ok(mut url) => {
                url.query_pairs_mut()
                    .append_pair(
                        "trans_id",
                        &payment.trans_id.unwrap_or_default().to_string(),
                    )
                    .append_pair("id_get", &payment.id_get.to_string())
                    .append_pair("factorId", &payment.factor_id);
                HttpResponse::SeeOther()
                    .insert_header((header::LOCATION, String::from(url)))
                    .finish()
            }
            Err(_) => HttpResponse::UnprocessableEntity()
                .json(json!({"error": "the redirect is not a URL"})),
        },
        Ok(None) => HttpResponse::NotFound().json(json!({"error": "no such payment"})),
        Err(error) => HttpResponse::ServiceUnavailable().json(json!({"error": error.to_string()})),
    }
}

//! `POST /api/payment/create/`.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use common_types::{Currency, Money, digits};
use serde_json::{Map, Value, json};
use service_http::{
    Allowed, ApiError, ClientIp, JsonBytes, OrganizationMember,
    idempotency::{OptionalKey, body_hash},
};

use super::{
    dto::{CreateRequest, Created},
    store::{self, OrderRow},
};
use crate::{
    AppState,
    payment::{
        Origin, Payment, PaymentError, Purpose, Request, StartPayment, limit_starts,
        own_organization, parse_text, start, to_the_end,
    },
};

const ROUTE: &str = "/api/payment/create/";

pub(super) fn bad(words: &str) -> ApiError {
    ApiError::bad_request("payment.invalid", words).contract(json!({ "error": words }))
}

/// A whole amount above zero; `5.0` is whole, as these clients write floats.
fn amount(value: Option<&Value>) -> Result<i64, ApiError> {
    let wrong = || bad("amount must be a whole number above zero.");
    let text = match value {
        None | Some(Value::Null) => return Err(bad("amount is required.")),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => digits::to_ascii(text.trim()),
        Some(_) => return Err(wrong()),
    };
    if text.is_empty() {
        return Err(bad("amount is required."));
    }
    let whole = match text.split_once('.') {
        Some((whole, rest)) if !rest.is_empty() && rest.bytes().all(|byte| byte == b'0') => whole,
        Some(_) => return Err(wrong()),
        None => &text,
    };
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let amount = whole.parse().ok().filter(|amount| *amount > 0);
    amount.ok_or_else(wrong)
}

/// What a client asks for, checked.
struct Asked {
    said: i64,
    currency: Currency,
    price: Money,
    pay_mode: i16,
    order_id: Option<String>,
    description: String,
    callback_url: Option<String>,
    frontend_callback_url: Option<String>,
}

fn read(state: &AppState, body: &Map<String, Value>) -> Result<Asked, ApiError> {
    let said = amount(body.get("amount"))?;
    let text = |name: &str, most: usize| match parse_text(body.get(name)) {
        Some(text) if text.chars().count() > most => {
            Err(bad(&format!("{name} must have at most {most} characters.")))
        }
        text => Ok(text),
    };
    let currency = match text("currency", 3)?.as_deref() {
        None | Some("IRT") => Currency::Irt,
        Some("IRR") => Currency::Irr,
        Some(_) => return Err(bad("currency must be IRT or IRR.")),
    };
    let pay_mode = match text("pay_mode", 2)?.as_deref() {
        None | Some("1") => 1_i16,
        Some("2") => 2,
        Some(_) => return Err(bad("pay_mode must be 1 or 2.")),
    };
    let frontend_callback_url = text("frontend_callback_url", 2_000)?;
    let foreign = |url: &String| !state.may_return_to(url);
    if frontend_callback_url.as_ref().is_some_and(foreign) {
        return Err(bad("frontend_callback_url is not allowed."));
    }
    let price = Money::new(said, currency).normalized();
    Ok(Asked {
        said,
        currency,
        price: price.map_err(|_| bad("amount is too large."))?,
        pay_mode,
        order_id: text("order_id", 20)?,
        description: text("description", 1_000)?
            .unwrap_or_else(|| "django-chelseru: new order".to_owned()),
        callback_url: text("callback_url", 2_000)?,
        frontend_callback_url,
    })
}

/// Opens a payment: charges the wallet (pay mode 1) or pays only (2).
#[utoipa::path(post, path = "/api/payment/create/", request_body = CreateRequest,
    responses((status = 200, body = Created, description = "Under `details`; also when the gateway is down, then without authority"), (status = 400, description = "Invalid")))]
pub(crate) async fn create_chelseru_payment(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    ip: ClientIp,
    key: OptionalKey,
    body: JsonBytes<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let asked = read(&state, &body.value)?;
    limit_starts(&state, caller.sub).await?;
    let order = StartPayment {
        organization_id,
        payer_id: Some(caller.sub),
        purpose: match asked.pay_mode {
            1 => Purpose::WalletCharge,
            _ => Purpose::Service,
        },
        price: asked.price,
        invoice_id: None,
        soapify_user_id: None,
        description: asked.description.clone(),
        return_url: asked.frontend_callback_url.clone(),
        origin: Origin::here(ip.0),
        request: key.0.map(|key| Request {
            subject: caller.sub.to_string(),
            route: ROUTE,
            key,
            body_hash: body_hash(&body.bytes),
        }),
    };
    let own = state.return_url.to_string();
    let callback = asked.callback_url.clone().unwrap_or(own);
    let (currency, shown) = (asked.currency, callback.clone());
    let render = move |payment: &Payment| json!({ "details": created(payment, currency, &shown), "payment_id": payment.id });
    let work = state.get_ref().clone();
    let opened = to_the_end(async move {
        let stored = start(work.clone(), order, render).await?;
        keep_order(&work, &stored.body, asked).await?;
        Ok(stored)
    });
    match opened.await {
        Ok(mut stored) => {
            stored.status = StatusCode::OK.as_u16();
            Ok(stored.into_response())
        }
        Err(PaymentError::Refused(reason) | PaymentError::Unanswered(reason)) => {
            tracing::warn!(reason, "a gateway did not open a payment");
            Ok(HttpResponse::Ok().json(json!({ "details": {
                "callback_url": callback,
                "message": "gateway request failed (no response).",
                "status_code": null,
                "data": null,
            } })))
        }
        Err(PaymentError::BadAmount) => Err(bad("amount is too large.")),
        Err(other) => Err(other.into()),
    }
}

fn created(payment: &Payment, currency: Currency, callback_url: &str) -> Created {
    let authority = payment.provider_reference.clone().unwrap_or_default();
    let gateway_title = match payment.provider.as_str() {
        "zarinpal" => "ZARINPAL_COM".to_owned(),
        "payping" => "PAYPING_IR".to_owned(),
        other => other.to_uppercase(),
    };
    Created {
        currency: currency.code().to_owned(),
        gateway_title,
        gateway_url: payment.payment_url.clone().unwrap_or_default(),
        callback_url: callback_url.to_owned(),
        status_code: 100,
        message: "Success".to_owned(),
        data: json!({
            "authority": authority,
            "code": 100,
            "fee": 0,
            "fee_type": "Merchant",
            "message": "Success",
        }),
        authority,
    }
}

/// Keeps what verify gives back. A crash before it leaves the payment whole: the payer is then sent
/// to the address that the payment itself keeps.
async fn keep_order(state: &AppState, answer: &[u8], asked: Asked) -> Result<(), PaymentError> {
    let answer: Value = serde_json::from_slice(answer).map_err(anyhow::Error::new)?;
    let id = answer["payment_id"].as_str().and_then(|id| id.parse().ok());
    let order = OrderRow {
        payment_id: id.ok_or_else(|| anyhow::anyhow!("an answer without payment"))?,
        order_id: asked.order_id,
        amount: asked.said,
        currency: asked.currency.code().to_owned(),
        pay_mode: asked.pay_mode,
        callback_url: asked.callback_url,
        frontend_callback_url: asked.frontend_callback_url,
        created_at: state.now(),
    };
    let mut conn = state.stack.db.get().await?;
    store::insert_order(&mut conn, &order).await?;
    Ok(())
}

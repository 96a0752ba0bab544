//! `/api/payment/verify/`.

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, Form},
};
use serde_json::{Value, json};
use service_http::{ApiError, Query};
use url::Url;

use super::{
    dto::Verified,
    http::bad,
    store::{self, OrderRow},
};
use crate::{
    AppState,
    payment::{Payment, Status, check_by_hint, find_by_authority},
};

/// The gateway sends the payer's browser here, or a client asks: the gateway is asked, whatever the
/// address claims.
#[utoipa::path(get, path = "/api/payment/verify/", security(()),
    params(("Authority" = Option<String>, Query), ("Status" = Option<String>, Query)),
    responses((status = 200, body = Verified, description = "Under `details`"), (status = 302, description = "On to frontend_callback_url"),
        (status = 400, description = "Not paid, or no authority"), (status = 404, description = "Unknown payment")))]
pub(crate) async fn verify_chelseru_payment(
    state: Data<AppState>,
    query: Query<HashMap<String, String>>,
) -> Result<HttpResponse, ApiError> {
    verify(&state, query.get("Authority"), None).await
}

/// The same by form, as PayPing returns.
#[utoipa::path(post, path = "/api/payment/verify/", security(()),
    responses((status = 200, body = Verified, description = "Under `details`"), (status = 302, description = "On to frontend_callback_url"),
        (status = 400, description = "Not paid, or no code"), (status = 404, description = "Unknown payment")))]
pub(crate) async fn verify_chelseru_form(
    state: Data<AppState>,
    form: Form<HashMap<String, String>>,
) -> Result<HttpResponse, ApiError> {
    let authority = form.get("paymentCode").or_else(|| form.get("authority"));
    verify(&state, authority, form.get("paymentRefId").cloned()).await
}

async fn verify(
    state: &AppState,
    authority: Option<&String>,
    hint: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let unsuccessful = || bad("The transaction was unsuccessful or canceled.");
    let authority = authority
        .map(|text| text.trim())
        .filter(|text| !text.is_empty() && text.len() <= 255 && !text.contains('\0'))
        .ok_or_else(unsuccessful)?;
    let mut conn = state.stack.db.get().await?;
    let found = find_by_authority(&mut conn, authority).await?;
    let before = found.ok_or_else(|| {
        ApiError::not_found("payment.not_found", "payment not found.")
            .contract(json!({ "error": "payment not found." }))
    })?;
    let order = store::find_order(&mut conn, before.id).await?;
    drop(conn);
    let had_money = before.completed_at.is_some();
    let payment = check_by_hint(state, before, hint).await?;
    let (code, message) = match (payment.completed_at.is_some(), had_money) {
        (true, false) => (100, "Verified"),
        (true, true) => (101, "Verified before"),
        (false, _) => (-51, "The transaction was unsuccessful or canceled."),
    };
    if let Some(url) = frontend(state, order.as_ref(), &payment, (authority, message)) {
        return Ok(HttpResponse::Found()
            .insert_header((header::LOCATION, url.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish());
    }
    if payment.completed_at.is_none() {
        return Err(unsuccessful());
    }
    let ref_id = match &payment.tracking_code {
        Some(code) => code
            .parse::<i64>()
            .map_or_else(|_| json!(code), |number| json!(number)),
        None => Value::Null,
    };
    let details = Verified {
        is_pay: 1,
        status_code: code,
        message: message.to_owned(),
        card_hash: None,
        card_pan: None,
        data_verify: json!({ "code": code, "message": message, "ref_id": ref_id }),
        ref_id,
    };
    Ok(HttpResponse::Ok().json(json!({ "details": details })))
}

/// The client's own page with the outcome, when it named one that is allowed.
fn frontend(
    state: &AppState,
    order: Option<&OrderRow>,
    payment: &Payment,
    (authority, message): (&str, &str),
) -> Option<Url> {
    let (url, said, order_id) = match order {
        Some(order) => (
            order.frontend_callback_url.as_deref(),
            order.amount,
            order.order_id.as_deref(),
        ),
        None => (payment.return_url.as_deref(), payment.price.amount, None),
    };
    let mut url = url
        .filter(|url| state.may_return_to(url))
        .and_then(|url| Url::parse(url).ok())?;
    let tracking = payment.tracking_code.as_deref().unwrap_or_default();
    url.query_pairs_mut()
        .append_pair("status", status_word(payment))
        .append_pair("order_id", order_id.unwrap_or_default())
        .append_pair("authority", authority)
        .append_pair("ref_id", tracking)
        // These clients read a float, as the replaced system wrote one.
        .append_pair("amount", &format!("{said}.0"))
        .append_pair("message", message);
    Some(url)
}

/// Its own words, misspelling included (wire.md 4.3).
fn status_word(payment: &Payment) -> &'static str {
    match payment.status {
        Status::Completed | Status::PartiallyRefunded => "paid",
        Status::Refunded => "refounded",
        Status::Cancelled | Status::Failed => "canceled",
        Status::Pending | Status::Processing | Status::Expired => "unpaid",
    }
}

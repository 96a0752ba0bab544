//! Paying from one's wallet, and its automatic charge.

use actix_web::{HttpResponse, web::Data};
use common_types::{Currency, Money};
use serde_json::json;
use service_http::{
    Allowed, ApiError, ClientIp, Json, JsonBytes, OrganizationMember, Query, Text,
    idempotency::{Key, body_hash},
    text,
};

use super::{
    PayFromWallet, TopUp,
    dto::{PayInvoiceRequest, PayRequest, TopUpRequest, TopUpResponse, WalletQuery},
    http::currency,
    pay, top_up,
};
use crate::{
    AppState,
    payment::{
        Origin, Payment, PaymentError, Request, dto::PaymentResponse, http::v1::part, limit_starts,
        own_organization, parse_text, payable, to_the_end,
    },
};

/// Pays a service of the platform from the caller's wallet.
#[utoipa::path(post, path = "/api/v1/wallet/pay/", request_body = PayRequest,
    params(("Idempotency-Key" = String, Header, description = "1 to 255 ASCII characters")),
    responses((status = 201, body = PaymentResponse), (status = 400, description = "Invalid, or no Idempotency-Key"),
        (status = 409, description = "Not enough, or still running"), (status = 422, description = "The key was used with another body")))]
pub(crate) async fn pay_from_wallet(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    ip: ClientIp,
    key: Key,
    body: JsonBytes<PayRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let currency = currency(&state, body.value.currency.as_deref())?;
    let description = parse_text(Some(&json!(body.value.description)))
        .filter(|text| text.chars().count() <= 1_000)
        .ok_or_else(|| ApiError::invalid().field("description", text::too_long(1_000)))?;
    limit_starts(&state, caller.sub).await?;
    let asked = PayFromWallet {
        organization_id,
        owner: caller.sub,
        price: Money::new(body.value.amount, currency),
        invoice_id: None,
        description,
        origin: Origin::here(ip.0),
        key: Request {
            subject: caller.sub.to_string(),
            route: "/api/v1/wallet/pay/",
            key: key.0,
            body_hash: body_hash(&body.bytes),
        },
    };
    let state = state.get_ref().clone();
    let paid = to_the_end(async move { pay(&state, asked, render).await });
    let stored = paid
        .await
        .map_err(|error: PaymentError| ApiError::from(error))?;
    Ok(stored.into_response())
}

/// Transfers money of the caller's wallet to an invoice: all that is due, or a part.
#[utoipa::path(post, path = "/api/v1/wallet/pay-invoice/", request_body = PayInvoiceRequest,
    params(("Idempotency-Key" = String, Header, description = "1 to 255 ASCII characters")),
    responses((status = 201, body = PaymentResponse), (status = 404, description = "Unknown invoice"),
        (status = 409, description = "Not payable, not enough, or still running"), (status = 422, description = "More than what is due, or the key was used with another body")))]
pub(crate) async fn pay_invoice_from_wallet(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    ip: ClientIp,
    key: Key,
    body: JsonBytes<PayInvoiceRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    limit_starts(&state, caller.sub).await?;
    let request = Request {
        subject: caller.sub.to_string(),
        route: "/api/v1/wallet/pay-invoice/",
        key: key.0,
        body_hash: body_hash(&body.bytes),
    };
    let (state, owner, origin) = (state.get_ref().clone(), caller.sub, Origin::here(ip.0));
    let paid = to_the_end(async move {
        // A repeat answers as the first did, whatever has become due since.
        if let Some(stored) = crate::payment::earlier_answer(&state, &request).await? {
            return Ok(stored);
        }
        let invoice = payable(&state, organization_id, body.value.invoice_id).await?;
        let asked = PayFromWallet {
            organization_id,
            owner,
            price: part(&invoice, body.value.amount)?,
            invoice_id: Some(invoice.invoice_id),
            description: invoice.invoice_number,
            origin,
            key: request,
        };
        pay(&state, asked, render).await
    });
    let stored = paid
        .await
        .map_err(|error: PaymentError| ApiError::from(error))?;
    Ok(stored.into_response())
}

/// The rule by which the caller's wallet is charged by itself.
#[utoipa::path(get, path = "/api/v1/wallet/top-up/", params(("currency" = Option<String>, Query)),
    responses((status = 200, body = TopUpResponse), (status = 404, description = "No rule")))]
pub(crate) async fn show_top_up(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    query: Query<WalletQuery>,
) -> Result<HttpResponse, ApiError> {
    let whose = whose(&state, &caller, query.currency.as_deref())?;
    let mut conn = state.stack.db.get().await?;
    let rule = top_up::find(&mut conn, whose).await?.ok_or_else(none)?;
    Ok(HttpResponse::Ok().json(response(rule)))
}

/// Sets it: below the threshold a charge is opened and the caller told where to pay.
#[utoipa::path(put, path = "/api/v1/wallet/top-up/", request_body = TopUpRequest,
    responses((status = 200, body = TopUpResponse), (status = 400, description = "Invalid")))]
pub(crate) async fn set_top_up(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    body: Json<TopUpRequest>,
) -> Result<HttpResponse, ApiError> {
    let (organization_id, owner_id, currency) = whose(&state, &caller, body.currency.as_deref())?;
    let most = state.rules.max_amount.min(state.rules.ceiling.of(currency));
    let wrong = Text::i18n(
        "مقدار مجاز نیست.",
        "Valeur non autorisée.",
        "Not an allowed value.",
    );
    if !(1..=most).contains(&body.amount) {
        return Err(ApiError::invalid().field("amount", wrong));
    }
    if !(1..=most).contains(&body.threshold) {
        return Err(ApiError::invalid().field("threshold", wrong));
    }
    let rule = TopUp {
        organization_id,
        owner_id,
        currency: currency.code().to_owned(),
        threshold: body.threshold,
        amount: body.amount,
        payment_id: None,
    };
    let mut conn = state.stack.db.get().await?;
    let rule = top_up::set(&mut conn, &rule, state.now()).await?;
    Ok(HttpResponse::Ok().json(response(rule)))
}

/// Takes the rule away.
#[utoipa::path(delete, path = "/api/v1/wallet/top-up/", params(("currency" = Option<String>, Query)),
    responses((status = 204, description = "Gone"), (status = 404, description = "No rule")))]
pub(crate) async fn remove_top_up(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    query: Query<WalletQuery>,
) -> Result<HttpResponse, ApiError> {
    let whose = whose(&state, &caller, query.currency.as_deref())?;
    let mut conn = state.stack.db.get().await?;
    match top_up::remove(&mut conn, whose).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(none()),
    }
}

fn whose(
    state: &AppState,
    caller: &Allowed<OrganizationMember>,
    asked: Option<&str>,
) -> Result<(uuid::Uuid, uuid::Uuid, Currency), ApiError> {
    Ok((
        own_organization(caller)?,
        caller.sub,
        currency(state, asked)?,
    ))
}

fn none() -> ApiError {
    ApiError::not_found(
        "wallet.no_top_up",
        Text::i18n(
            "شارژ خودکار تنظیم نشده است.",
            "Aucune recharge automatique.",
            "There is no automatic charge.",
        ),
    )
}

fn response(rule: TopUp) -> TopUpResponse {
    TopUpResponse {
        currency: rule.currency,
        threshold: rule.threshold,
        amount: rule.amount,
        payment_id: rule.payment_id,
    }
}

fn render(payment: &Payment) -> serde_json::Value {
    json!(PaymentResponse::from(payment))
}

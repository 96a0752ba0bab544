//! `/crazyminer/…` (seeds.md Y01–Y07, wire.md 2.5, 2.6): bodies and words are the contract's.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use common_types::{Money, PhoneNumber};
use serde_json::{Map, Value, json};
use service_http::{
    Allowed, ApiError, Caller, ClientIp, Doctor, JsonBytes, OrganizationMember, Path,
    idempotency::{OptionalKey, body_hash},
};
use uuid::Uuid;

use super::{check_by_hint, limit_starts, looks_wrong, own_organization, to_the_end, warn};
use crate::{
    AppState,
    payment::{
        Payment, PaymentError, Purpose, StartPayment, Status,
        dto::{
            CallbackRequest, ChargeWalletRequest, ListedPayment, ListedPayments,
            SoapifyPaymentRequest, StartedResponse, StatusResponse,
        },
        find_by_reference, find_payment,
        parse::{self, BadAmount},
        start::{self, Origin, Request},
        store::{PaymentFilter, Whose, list_payments},
    },
    person, providers,
};

/// Longest description.
const MAX_DESCRIPTION: usize = 1_000;
/// Payments in the list.
const NEWEST: i64 = 20;

/// Charges the caller's wallet (Y03).
#[utoipa::path(post, path = "/crazyminer/payment/create/", request_body = ChargeWalletRequest,
    responses((status = 201, body = StartedResponse), (status = 400, description = "Invalid data"), (status = 500, description = "The gateway refused")))]
pub(crate) async fn create_wallet_charge(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    ip: ClientIp,
    key: OptionalKey,
    body: JsonBytes<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let amount = parse::amount(body.value.get("amount"), state.rules.max_amount)
        .map_err(BadAmount::words)
        .and_then(|amount| match amount < state.rules.min_wallet_charge {
            true => Err("حداقل مبلغ شارژ 10,000 ریال است"),
            false => Ok(amount),
        })
        .map_err(|words| invalid("amount", words))?;
    let description = description(&body.value, "شارژ کیف پول")?;
    limit_starts(&state, caller.sub).await?;
    let order = StartPayment {
        organization_id,
        payer_id: Some(caller.sub),
        purpose: Purpose::WalletCharge,
        price: Money::new(amount, state.rules.currency),
        invoice_id: None,
        soapify_user_id: None,
        description,
        return_url: None,
        origin: Origin::here(ip.0),
        request: request(key, &caller.sub, "/crazyminer/payment/create/", &body.bytes),
    };
    let echo = body.value.get("amount").cloned().unwrap_or_default();
    let suspicion = looks_wrong(&state, &order).await?;
    let render = move |payment: &Payment| {
        let mut answer = json!({
            "transaction_id": payment.id,
            "payment_url": payment.payment_url,
            "amount": echo,
            "currency": payment.price.currency.code(),
            "status": payment.status.as_str(),
            "status_display": payment.status.display(),
        });
        warn(&mut answer, suspicion);
        answer
    };
    let started = to_the_end(start::start(state.get_ref().clone(), order, render)).await;
    started
        .map(|stored| stored.into_response())
        .map_err(|error| contract_error(error, "خطای سیستمی در ایجاد پرداخت"))
}

/// A doctor pays for a user of SOAPify (Y01). No user is made up, and no wallet is touched (Y02).
#[utoipa::path(post, path = "/crazyminer/patient/soapify-payment/", request_body = SoapifyPaymentRequest,
    responses((status = 201, body = StartedResponse), (status = 400, description = "Invalid data"), (status = 403, description = "Not a doctor")))]
pub(crate) async fn create_soapify_payment(
    state: Data<AppState>,
    caller: Allowed<Doctor>,
    ip: ClientIp,
    key: OptionalKey,
    body: JsonBytes<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let missing = || {
        ApiError::bad_request(
            "payment.fields_required",
            "مبلغ و شناسه کاربر SOAPify الزامی است",
        )
        .contract(json!({ "error": "مبلغ و شناسه کاربر SOAPify الزامی است" }))
    };
    let user = parse::text(body.value.get("soapify_user_id")).ok_or_else(missing)?;
    let amount = match parse::amount(body.value.get("amount"), state.rules.max_amount) {
        Ok(amount) => amount,
        Err(BadAmount::Missing) => return Err(missing()),
        Err(bad) => return Err(invalid("amount", bad.words())),
    };
    if user.chars().count() > 255 {
        return Err(invalid(
            "soapify_user_id",
            "مطمئن شوید که بیش از 255 نویسه ندارد.",
        ));
    }
    let description = description(&body.value, "پرداخت برای SOAPify")?;
    limit_starts(&state, caller.sub).await?;
    let order = StartPayment {
        organization_id,
        payer_id: Some(caller.sub),
        purpose: Purpose::Soapify,
        price: Money::new(amount, state.rules.currency),
        invoice_id: None,
        soapify_user_id: Some(user.clone()),
        description,
        return_url: None,
        origin: Origin::here(ip.0),
        request: request(
            key,
            &caller.sub,
            "/crazyminer/patient/soapify-payment/",
            &body.bytes,
        ),
    };
    let echo = body.value.get("amount").cloned().unwrap_or_default();
    let suspicion = looks_wrong(&state, &order).await?;
    let render = move |payment: &Payment| {
        let mut answer = json!({
            "transaction_id": payment.id,
            "payment_url": payment.payment_url,
            "amount": echo,
            "currency": payment.price.currency.code(),
            "soapify_user_id": user,
            "status": payment.status.as_str(),
        });
        warn(&mut answer, suspicion);
        answer
    };
    let started = to_the_end(start::start(state.get_ref().clone(), order, render)).await;
    started
        .map(|stored| stored.into_response())
        .map_err(|error| contract_error(error, "خطای سیستمی"))
}

/// The gateway's page sends the payer's numbers here (Y07). Anyone may call it, any number of
/// times: it only makes us ask the gateway.
#[utoipa::path(post, path = "/crazyminer/payment/callback/", request_body = CallbackRequest, security(()),
    responses((status = 200, description = "Paid"), (status = 400, description = "Not paid"), (status = 404, description = "Unknown payment")))]
pub(crate) async fn receive_callback(
    state: Data<AppState>,
    body: JsonBytes<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let (transaction, reference) = match (
        parse::text(body.value.get("trans_id")),
        parse::text(body.value.get("id_get")),
    ) {
        (Some(transaction), Some(reference)) => (transaction, reference),
        _ => {
            return Err(
                ApiError::bad_request("payment.invalid_callback", "داده‌های نامعتبر")
                    .contract(json!({ "error": "داده‌های نامعتبر" })),
            );
        }
    };
    let mut conn = state.stack.db.get().await?;
    let found = match find_by_reference(&mut conn, providers::medogram::SLUG, &reference).await? {
        Some(payment) => Some(payment),
        None => {
            let slug = state.providers.default_slug();
            find_by_reference(&mut conn, slug, &reference).await?
        }
    };
    drop(conn);
    let payment = found.ok_or_else(not_found)?;
    let payment = check_by_hint(&state, payment, Some(transaction)).await?;
    if payment.status.has_money() {
        return Ok(HttpResponse::Ok().json(json!({
            "success": true,
            "message": "پرداخت با موفقیت انجام شد",
            "transaction_id": payment.id,
            "tracking_code": payment.tracking_code,
        })));
    }
    Err(
        ApiError::bad_request("payment.not_confirmed", "پرداخت تایید نشد").contract(json!({
            "success": false,
            "message": "پرداخت تایید نشد",
            "error": payment.status.display(),
            "transaction_id": payment.id,
        })),
    )
}

/// Where a payment of the caller stands (Y07).
#[utoipa::path(get, path = "/crazyminer/payment/status/{id}/", params(("id" = Uuid, Path)),
    responses((status = 200, body = StatusResponse), (status = 404, description = "Not the caller's")))]
pub(crate) async fn show_payment_status(
    state: Data<AppState>,
    caller: Caller,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = Uuid::parse_str(&id).map_err(|_| not_found())?;
    let mut conn = state.stack.db.get().await?;
    let payment = find_payment(&mut conn, id).await?;
    let own = payment.filter(|payment| {
        payment.payer_id == Some(caller.sub) && Some(payment.organization_id) == caller.org
    });
    Ok(HttpResponse::Ok().json(StatusResponse::from(own.ok_or_else(not_found)?)))
}

/// The caller's newest payments (Y07).
#[utoipa::path(get, path = "/crazyminer/payment/list/", responses((status = 200, body = ListedPayments)))]
pub(crate) async fn list_own_payments(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let whose = Whose::Payer(organization, caller.sub);
    let (_, payments) =
        list_payments(&mut conn, whose, &PaymentFilter::default(), (0, NEWEST)).await?;
    let phone = person::find_phone(&mut conn, caller.sub).await?;
    let phone = phone.and_then(|phone| PhoneNumber::parse(&phone).ok());
    let phone = phone.map_or_else(String::new, |phone| phone.national());
    let results: Vec<ListedPayment> = payments
        .into_iter()
        .map(|payment| ListedPayment::of(payment, &phone))
        .collect();
    Ok(HttpResponse::Ok().json(ListedPayments {
        count: results.len(),
        results,
    }))
}

fn request(key: OptionalKey, subject: &Uuid, route: &'static str, body: &[u8]) -> Option<Request> {
    key.0.map(|key| Request {
        subject: subject.to_string(),
        route,
        key,
        body_hash: body_hash(body),
    })
}

fn description(body: &Map<String, Value>, default: &str) -> Result<String, ApiError> {
    let text = parse::text(body.get("description")).unwrap_or_else(|| default.to_owned());
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(invalid(
            "description",
            "مطمئن شوید که بیش از 1000 نویسه ندارد.",
        ));
    }
    Ok(text)
}

fn invalid(field: &str, words: &str) -> ApiError {
    ApiError::bad_request("payment.invalid", "داده‌های نامعتبر")
        .contract(json!({ "error": "داده‌های نامعتبر", "details": { field: [words] } }))
}

fn not_found() -> ApiError {
    ApiError::not_found("payment.not_found", "پرداخت یافت نشد")
        .contract(json!({ "error": "پرداخت یافت نشد" }))
}

/// The contract answers 500 when the gateway refuses, with its own words.
fn contract_error(error: PaymentError, other: &str) -> ApiError {
    let words = match &error {
        PaymentError::Refused(_) => "خطا در ایجاد پرداخت",
        PaymentError::Unanswered(_) | PaymentError::Db(_) | PaymentError::Unexpected(_) => other,
        _ => return error.into(),
    };
    let details = Status::Failed.display();
    let shared: ApiError = error.into();
    let code = shared.code();
    let cause = shared.cause().map(|cause| anyhow::anyhow!("{cause:#}"));
    let error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, words)
        .contract(json!({ "error": words, "details": details }));
    match cause {
        Some(cause) => error.caused_by(cause),
        None => error,
    }
}

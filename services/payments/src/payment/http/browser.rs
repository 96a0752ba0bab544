//! `/api/v1/payments/return/`: where a provider sends the payer's browser.

use std::collections::HashMap;

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::{Data, Form},
};
use common_types::Language;
use service_http::{ApiError, Lang, Query};
use url::Url;
use uuid::Uuid;

use super::check_by_hint;
use crate::{
    AppState,
    payment::{Payment, Status, find_by_reference, find_payment},
    providers::{medogram, payping, zarinpal},
};

/// A payer came back. What the address claims is only a hint: the provider is asked, then the payer
/// goes on to the caller's page, or sees the result here.
#[utoipa::path(get, path = "/api/v1/payments/return/", security(()),
    params(("provider" = Option<String>, Query), ("payment_id" = Option<String>, Query), ("order_id" = Option<String>, Query)),
    responses((status = 303, description = "On to return_url"), (status = 200, description = "The result as a page"), (status = 404, description = "Unknown payment, as a page")))]
pub(crate) async fn return_from_provider(
    state: Data<AppState>,
    lang: Lang,
    query: Query<HashMap<String, String>>,
) -> Result<HttpResponse, ApiError> {
    came_back(&state, lang.0, &query).await
}

/// The same, for gateways that send the payer back by a form.
#[utoipa::path(post, path = "/api/v1/payments/return/", security(()),
    responses((status = 303, description = "On to return_url"), (status = 200, description = "The result as a page")))]
pub(crate) async fn return_by_form(
    state: Data<AppState>,
    lang: Lang,
    form: Form<HashMap<String, String>>,
) -> Result<HttpResponse, ApiError> {
    came_back(&state, lang.0, &form).await
}

async fn came_back(
    state: &AppState,
    language: Language,
    hints: &HashMap<String, String>,
) -> Result<HttpResponse, ApiError> {
    let Some(payment) = find(state, hints).await? else {
        return Ok(page(StatusCode::NOT_FOUND, language, Outcome::Unknown));
    };
    let transaction = ["trans_id", "paymentRefId"]
        .iter()
        .find_map(|name| hints.get(*name))
        .filter(|id| !id.is_empty())
        .cloned();
    let payment = check_by_hint(state, payment, transaction).await?;
    let target = payment
        .return_url
        .as_deref()
        .filter(|url| state.may_return_to(url));
    if let Some(mut url) = target.and_then(|url| Url::parse(url).ok()) {
        url.query_pairs_mut()
            .append_pair("payment_id", &payment.id.to_string())
            .append_pair("status", payment.status.as_str());
        return Ok(HttpResponse::SeeOther()
            .insert_header((header::LOCATION, url.as_str()))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish());
    }
    let outcome = match payment.status {
        status if status.has_money() => Outcome::Paid,
        Status::Failed | Status::Cancelled | Status::Expired => Outcome::NotPaid,
        _ => Outcome::Open,
    };
    Ok(page(StatusCode::OK, language, outcome))
}

/// By our own id, else by the provider's.
async fn find(
    state: &AppState,
    hints: &HashMap<String, String>,
) -> Result<Option<Payment>, ApiError> {
    let mut conn = state.stack.db.get().await?;
    for name in ["order_id", "factorId", "clientRefId"] {
        if let Some(id) = hints.get(name).and_then(|id| Uuid::parse_str(id).ok()) {
            return Ok(find_payment(&mut conn, id).await?);
        }
    }
    // Each vendor's own name for its reference.
    let named = [
        ("payment_id", hints.get("provider").map(String::as_str)),
        ("id_get", Some(medogram::SLUG)),
        ("Authority", Some(zarinpal::SLUG)),
        ("paymentCode", Some(payping::SLUG)),
    ];
    for (name, provider) in named {
        let Some(reference) = hints.get(name) else {
            continue;
        };
        let Some(provider) = provider.and_then(|slug| state.providers.slug_of(slug)) else {
            continue;
        };
        return Ok(find_by_reference(&mut conn, provider, reference).await?);
    }
    Ok(None)
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Paid,
    NotPaid,
    Open,
    Unknown,
}

/// A small page without scripts; nothing in it comes from the request.
fn page(status: StatusCode, language: Language, outcome: Outcome) -> HttpResponse {
    let (code, direction) = match language {
        Language::Fa => ("fa", "rtl"),
        Language::Fr => ("fr", "ltr"),
        Language::En => ("en", "ltr"),
    };
    let words = match (outcome, language) {
        (Outcome::Paid, Language::Fa) => "پرداخت انجام شد. می‌توانید این صفحه را ببندید.",
        (Outcome::Paid, Language::Fr) => "Le paiement est effectué. Vous pouvez fermer cette page.",
        (Outcome::Paid, Language::En) => "The payment is done. You may close this page.",
        (Outcome::NotPaid, Language::Fa) => "پرداخت انجام نشد؛ پولی کم نشده است.",
        (Outcome::NotPaid, Language::Fr) => "Le paiement n’a pas abouti ; rien n’a été débité.",
        (Outcome::NotPaid, Language::En) => "The payment did not go through; nothing was charged.",
        (Outcome::Open, Language::Fa) => "نتیجهٔ پرداخت هنوز روشن نیست؛ به‌زودی پیگیری می‌شود.",
        (Outcome::Open, Language::Fr) => "Le résultat n’est pas encore connu ; nous le suivons.",
        (Outcome::Open, Language::En) => "The outcome is not known yet; we keep asking.",
        (Outcome::Unknown, Language::Fa) => "چنین پرداختی یافت نشد.",
        (Outcome::Unknown, Language::Fr) => "Ce paiement n’existe pas.",
        (Outcome::Unknown, Language::En) => "There is no such payment.",
    };
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(format!(
            "<!doctype html><html lang=\"{code}\" dir=\"{direction}\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Tabib</title>\
             <main><h1>{words}</h1></main></html>"
        ))
}

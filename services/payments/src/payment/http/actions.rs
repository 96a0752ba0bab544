//! What people do with a started payment: ask again, give it up, print its receipt.

use actix_web::{HttpResponse, http::header, web::Data};
use common_types::Language;
use service_http::{
    Allowed, ApiError, ClientIp, ClinicStaff, Lang, Limit, OrganizationMember, Path, Query, text,
};
use uuid::Uuid;

use super::{own_organization, receipt, to_the_end, v1::within_reach};
use crate::{
    AppState,
    payment::{
        Origin, PaymentError, cancel, check,
        dto::{PaymentResponse, ReceiptQuery},
    },
};

/// Asks the provider now what became of a payment.
#[utoipa::path(post, path = "/api/v1/payments/{id}/sync/", params(("id" = Uuid, Path)),
    responses((status = 200, body = PaymentResponse), (status = 404, description = "Not within reach"), (status = 429, description = "Too often")))]
pub(crate) async fn sync_payment(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let payment = within_reach(&state, &caller, organization, *id).await?;
    let limit = Limit::per_minute(state.rules.hints_per_minute);
    state
        .stack
        .limiter
        .check(&format!("payments:hint:{}", payment.id), limit)
        .await
        .into_result()?;
    let (state, id) = (state.get_ref().clone(), *id);
    let asked = to_the_end(async move { check(&state, id).await });
    let payment = asked
        .await
        .map_err(|error: PaymentError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(PaymentResponse::from(&payment)))
}

/// Gives an unpaid payment up.
#[utoipa::path(post, path = "/api/v1/payments/{id}/cancel/", params(("id" = Uuid, Path)),
    responses((status = 200, body = PaymentResponse), (status = 404, description = "Not within reach"),
        (status = 409, description = "Paid or ended"), (status = 503, description = "The provider did not answer")))]
pub(crate) async fn cancel_payment(
    state: Data<AppState>,
    caller: Allowed<ClinicStaff>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    within_reach(&state, &caller, organization, *id).await?;
    let (state, id) = (state.get_ref().clone(), *id);
    let given_up = to_the_end(async move { cancel(&state, id).await });
    let payment = given_up
        .await
        .map_err(|error: PaymentError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(PaymentResponse::from(&payment)))
}

/// The receipt of a paid payment as PDF, in Persian, French or English.
#[utoipa::path(get, path = "/api/v1/payments/{id}/receipt.pdf", params(("id" = Uuid, Path), ("lang" = Option<String>, Query, description = "fa, fr or en")),
    responses((status = 200, description = "application/pdf"), (status = 404, description = "Not within reach"), (status = 409, description = "Not paid")))]
pub(crate) async fn print_receipt(
    state: Data<AppState>,
    caller: Allowed<OrganizationMember>,
    ip: ClientIp,
    id: Path<Uuid>,
    query: Query<ReceiptQuery>,
    lang: Lang,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let payment = within_reach(&state, &caller, organization, *id).await?;
    let language = match query.lang.as_deref() {
        None => lang.0,
        Some("fa") => Language::Fa,
        Some("fr") => Language::Fr,
        Some("en") => Language::En,
        Some(other) => return Err(ApiError::invalid().field("lang", text::not_a_choice(other))),
    };
    let paper = receipt::print(&state, &payment, language, caller.sub, &Origin::here(ip.0)).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/pdf")
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("inline; filename=\"receipt_{}.pdf\"", payment.id),
        ))
        .body(paper))
}

//! `/api/v1/payments/{id}/refund/` and `/api/v1/refunds/**`: for those who handle the clinic's money.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::Page;
use service_http::{
    Allowed, ApiError, ClientIp, Json, JsonBytes, MoneyStaff, PageQuery, Path, Permission, Query,
    Text,
    idempotency::{Key, body_hash},
    paginate, text,
};
use uuid::Uuid;

use super::{
    Method, RefundError, RefundRequest,
    dto::{CreateRefundRequest, RefundResponse, RefundsQuery, RejectRefundRequest},
    service, store,
};
use crate::{
    AppState,
    payment::{Origin, Request, own_organization, to_the_end},
};

/// Who may give money back: a revoked session must not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GiveBack;

impl Permission for GiveBack {
    const NAME: &'static str = "payments.refund";
    const SENSITIVE: bool = true;

    fn allows(claims: &service_http::AccessClaims) -> bool {
        MoneyStaff::allows(claims)
    }
}

/// Gives money of a payment back. Above the ceiling it waits for a second person.
#[utoipa::path(post, path = "/api/v1/payments/{id}/refund/", request_body = CreateRefundRequest,
    params(("id" = Uuid, Path), ("Idempotency-Key" = String, Header, description = "1 to 255 ASCII characters")),
    responses((status = 201, body = RefundResponse), (status = 400, description = "Invalid, or no Idempotency-Key"),
        (status = 404, description = "Unknown payment"), (status = 409, description = "Nothing to give back, spent, or still running"),
        (status = 422, description = "More than what is left, not possible that way, or the key was used with another body")))]
pub(crate) async fn create_refund(
    state: Data<AppState>,
    caller: Allowed<GiveBack>,
    ip: ClientIp,
    id: Path<Uuid>,
    key: Key,
    body: JsonBytes<CreateRefundRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let asked = body.value;
    if asked.amount.is_some_and(|amount| amount <= 0) {
        return Err(ApiError::invalid().field(
            "amount",
            Text::i18n(
                "باید بیشتر از صفر باشد.",
                "Doit être supérieur à zéro.",
                "Must be above zero.",
            ),
        ));
    }
    let method = match asked.method.as_deref().map(Method::parse) {
        Some(None) => {
            return Err(ApiError::invalid().field(
                "method",
                text::not_a_choice(asked.method.as_deref().unwrap_or_default()),
            ));
        }
        Some(method) => method,
        None => None,
    };
    // One refund per key and payment: the payment is part of what the key speaks for.
    let mut spoken = id.as_bytes().to_vec();
    spoken.extend_from_slice(&body.bytes);
    let request = RefundRequest {
        organization_id,
        payment_id: *id,
        amount: asked.amount,
        method,
        reason: reason(&asked.reason)?,
        reference: asked
            .reference
            .map(|text| text.trim().replace('\0', ""))
            .filter(|text| (1..=100).contains(&text.chars().count())),
        by: caller.sub,
        origin: Origin::here(ip.0),
        key: Request {
            subject: caller.sub.to_string(),
            route: "/api/v1/payments/{id}/refund/",
            key: key.0,
            body_hash: body_hash(&spoken),
        },
    };
    let state = state.get_ref().clone();
    let begun = to_the_end(async move { service::request(&state, &request).await });
    let stored = begun
        .await
        .map_err(|error: RefundError| ApiError::from(error))?;
    Ok(stored.into_response())
}

/// The organisation's refunds, newest first.
#[utoipa::path(get, path = "/api/v1/refunds/",
    params(("payment_id" = Option<Uuid>, Query), ("status" = Option<String>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<RefundResponse>)))]
pub(crate) async fn list_refunds(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    page: Query<PageQuery>,
    query: Query<RefundsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let filter = store::RefundFilter {
        payment_id: query.payment_id,
        status: query.status.clone(),
    };
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, rows) = store::list_refunds(&mut conn, organization, &filter, range).await?;
    let rows: Vec<RefundResponse> = rows.iter().map(RefundResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, rows)?))
}

/// A refund.
#[utoipa::path(get, path = "/api/v1/refunds/{id}/", params(("id" = Uuid, Path)),
    responses((status = 200, body = RefundResponse), (status = 404, description = "Not within reach")))]
pub(crate) async fn show_refund(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let refund = store::find_refund(&mut conn, organization, *id).await?;
    let refund = refund.ok_or(RefundError::NotFound)?;
    Ok(HttpResponse::Ok().json(RefundResponse::from(&refund)))
}

/// The second person says yes.
#[utoipa::path(post, path = "/api/v1/refunds/{id}/approve/", params(("id" = Uuid, Path)),
    responses((status = 200, body = RefundResponse), (status = 403, description = "The one who asked for it"),
        (status = 404, description = "Not within reach"), (status = 409, description = "It waits for no decision")))]
pub(crate) async fn approve_refund(
    state: Data<AppState>,
    caller: Allowed<GiveBack>,
    ip: ClientIp,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let (state, id, by, origin) = (state.get_ref().clone(), *id, caller.sub, Origin::here(ip.0));
    let decided =
        to_the_end(async move { service::approve(&state, (organization, id), by, &origin).await });
    let refund = decided
        .await
        .map_err(|error: RefundError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(RefundResponse::from(&refund)))
}

/// The second person says no.
#[utoipa::path(post, path = "/api/v1/refunds/{id}/reject/", params(("id" = Uuid, Path)), request_body = RejectRefundRequest,
    responses((status = 200, body = RefundResponse), (status = 403, description = "The one who asked for it"),
        (status = 404, description = "Not within reach"), (status = 409, description = "It waits for no decision")))]
pub(crate) async fn reject_refund(
    state: Data<AppState>,
    caller: Allowed<GiveBack>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<RejectRefundRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let why = reason(&body.reason)?;
    let (state, id, by, origin) = (state.get_ref().clone(), *id, caller.sub, Origin::here(ip.0));
    let decided = to_the_end(async move {
        service::reject(&state, (organization, id), (by, &why), &origin).await
    });
    let refund = decided
        .await
        .map_err(|error: RefundError| ApiError::from(error))?;
    Ok(HttpResponse::Ok().json(RefundResponse::from(&refund)))
}

/// A reason in words: 1 to 500 characters.
pub(crate) fn reason(text: &str) -> Result<String, ApiError> {
    let text = text.trim().replace('\0', "");
    if (1..=500).contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(ApiError::invalid().field(
        "reason",
        Text::i18n(
            "بین ۱ تا ۵۰۰ نویسه.",
            "De 1 à 500 caractères.",
            "1 to 500 characters.",
        ),
    ))
}

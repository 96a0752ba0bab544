//! `/api/v1/payouts/`: for those who handle the clinic's money.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Currency, Money, Page};
use service_http::{
    Allowed, ApiError, ClientIp, JsonBytes, MoneyStaff, PageQuery, Query, SteppedUp, Text,
    idempotency::{Key, body_hash},
    paginate, text,
};

use super::{
    PayoutError, RecordPayout,
    dto::{PayoutResponse, RecordPayoutRequest},
    service,
};
use crate::{
    AppState,
    payment::{Origin, Request, own_organization, to_the_end},
    refund::http::GiveBack,
};

/// Records that a provider paid out to the clinic's bank. Needs a code that the caller typed within the last minutes.
#[utoipa::path(post, path = "/api/v1/payouts/", request_body = RecordPayoutRequest,
    params(("Idempotency-Key" = String, Header, description = "1 to 255 ASCII characters")),
    responses((status = 201, body = PayoutResponse), (status = 400, description = "Invalid, or no Idempotency-Key"),
        (status = 403, description = "Not for this role, or a fresh code is needed"),
        (status = 409, description = "A difference is open, recorded already, or held after a change of the caller's phone (`held_until`)"), (status = 422, description = "More than the provider owes")))]
pub(crate) async fn record_payout(
    state: Data<AppState>,
    caller: Allowed<GiveBack>,
    _fresh: SteppedUp,
    ip: ClientIp,
    key: Key,
    body: JsonBytes<RecordPayoutRequest>,
) -> Result<HttpResponse, ApiError> {
    let organization_id = own_organization(&caller)?;
    let asked = body.value;
    let currency = asked.currency.parse().ok();
    let Some(currency) = currency.filter(|currency| *currency != Currency::Irt) else {
        return Err(ApiError::invalid().field("currency", text::not_a_choice(&asked.currency)));
    };
    let above_zero = Text::i18n(
        "باید بیشتر از صفر باشد.",
        "Doit être supérieur à zéro.",
        "Must be above zero.",
    );
    if asked.amount <= 0 {
        return Err(ApiError::invalid().field("amount", above_zero));
    }
    if state.providers.get(&asked.provider).is_none() {
        return Err(ApiError::invalid().field("provider", text::not_a_choice(&asked.provider)));
    }
    let bank_reference = asked.bank_reference.trim().replace('\0', "");
    if !(1..=100).contains(&bank_reference.chars().count()) {
        return Err(ApiError::invalid().field("bank_reference", text::too_long(100)));
    }
    let payout = RecordPayout {
        organization_id,
        provider: asked.provider,
        price: Money::new(asked.amount, currency),
        bank_reference,
        by: caller.sub,
        origin: Origin::here(ip.0),
        key: Request {
            subject: caller.sub.to_string(),
            route: "/api/v1/payouts/",
            key: key.0,
            body_hash: body_hash(&body.bytes),
        },
    };
    let state = state.get_ref().clone();
    let recorded = to_the_end(async move { service::record(&state, &payout).await });
    let stored = recorded
        .await
        .map_err(|error: PayoutError| ApiError::from(error))?;
    Ok(stored.into_response())
}

/// The organisation's payouts, newest first.
#[utoipa::path(get, path = "/api/v1/payouts/", params(("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<PayoutResponse>)))]
pub(crate) async fn list_payouts(
    state: Data<AppState>,
    caller: Allowed<MoneyStaff>,
    page: Query<PageQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let organization = own_organization(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let range = (page.offset(), page.limit());
    let (total, rows) = service::list_payouts(&mut conn, organization, range).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, rows)?))
}

//! `GET /api/integrations/sms/…`: what was sent, and what a text would take.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use common_types::internal::integrations::Channel;
use serde::Deserialize;
use serde_json::json;
use service_http::{Allowed, ApiError, ClinicStaff, Json, PageQuery, Path, Query, paginate, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    links,
    list::{self, SmsFilter, SmsResponse},
    model, segments, store,
};
use crate::AppState;

#[derive(Debug, Deserialize)]
pub(crate) struct SmsQuery {
    status: Option<String>,
    purpose: Option<String>,
    provider: Option<String>,
    batch: Option<Uuid>,
    created_after: Option<DateTime<Utc>>,
    created_before: Option<DateTime<Utc>>,
}

const STATES: [&str; 7] = [
    "queued",
    "sending",
    "sent",
    "unknown",
    "refused",
    "delivered",
    "failed",
];

/// Texts of the caller's organisation. `search` takes a receiver's phone, or a number of ours or of the provider;
/// `ordering` takes `created_at`, `cost`, `segments`, `status`.
#[utoipa::path(get, path = "/api/integrations/sms/", tag = "sms",
    params(("status" = Option<String>, Query), ("purpose" = Option<String>, Query), ("provider" = Option<String>, Query),
        ("batch" = Option<Uuid>, Query), ("created_after" = Option<DateTime<Utc>>, Query),
        ("created_before" = Option<DateTime<Utc>>, Query), ("search" = Option<String>, Query),
        ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Vec<SmsResponse>), (status = 400), (status = 401), (status = 403)))]
pub(crate) async fn list_sms(
    request: HttpRequest,
    caller: Allowed<ClinicStaff>,
    query: Query<SmsQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    if let Some(status) = &query.status
        && !STATES.contains(&status.as_str())
    {
        return Err(ApiError::invalid().field("status", text::not_a_choice(status)));
    }
    let organization = caller
        .org
        .ok_or_else(|| ApiError::forbidden("sms.no_organization", "Choose an organisation."))?;
    let search = page.search().map(str::to_owned);
    // A phone is only kept masked; a number of ours is too short to be one.
    let phone = search
        .as_deref()
        .map(|search| model::masked(Channel::Sms, search))
        .filter(|masked| masked != "***");
    let filter = SmsFilter {
        status: query.status,
        purpose: query.purpose,
        provider: query.provider,
        batch: query.batch,
        after: query.created_after,
        before: query.created_before,
        number: search.filter(|_| phone.is_none()),
        receptor: phone,
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let count = list::count_sms(&mut conn, organization, &filter)
        .await
        .map_err(ApiError::internal)?;
    let ordering = page.ordering.clone().unwrap_or_default();
    let range = (page.offset(), page.limit());
    let rows = list::list_sms(&mut conn, organization, &filter, &ordering, range)
        .await
        .map_err(ApiError::internal)?;
    let rows: Vec<SmsResponse> = rows
        .into_iter()
        .map(|row| SmsResponse::new(row, None))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// Where a text is: by our id or number, or the provider's number.
#[utoipa::path(get, path = "/api/integrations/sms/{id}/", tag = "sms", params(("id" = String, Path)),
    responses((status = 200, body = SmsResponse), (status = 404)))]
pub(crate) async fn get_sms(
    caller: Allowed<ClinicStaff>,
    id: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let missing = || ApiError::no_match("sms.not_found", "Message");
    let organization = caller.org.ok_or_else(missing)?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let row = store::find_message(&mut conn, organization, &id)
        .await
        .map_err(ApiError::internal)?;
    let row = row.ok_or_else(missing)?;
    let tries = store::list_attempts(&mut conn, row.id)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(SmsResponse::new(row, Some(tries))))
}

/// Body of `sms/segments/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SegmentsRequest {
    text: String,
}

/// How many messages of the network a text takes, before it is sent.
#[utoipa::path(post, path = "/api/integrations/sms/segments/", tag = "sms", request_body = SegmentsRequest,
    responses((status = 200), (status = 401), (status = 403)))]
pub(crate) async fn count_segments(
    _caller: Allowed<ClinicStaff>,
    body: Json<SegmentsRequest>,
) -> HttpResponse {
    let counted = segments::count(&body.0.text);
    HttpResponse::Ok().json(json!({
        "encoding": counted.encoding, "units": counted.units, "segments": counted.parts,
        "characters": body.0.text.chars().count(), "links": links::count(&body.0.text),
    }))
}

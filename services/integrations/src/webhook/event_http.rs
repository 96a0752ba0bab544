//! `/api/integrations/webhook-events/…`: what arrived, and a second look at it.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry, record};
use service_http::{Allowed, ApiError, ClientIp, ClinicAdmin, PageQuery, Path, Query, paginate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    event_store::{self, EventFilter, EventRow},
    retry::{self, Retried},
};
use crate::AppState;

/// An event on the wire (wire.md 3.5). The signature is masked: with the body beside it, it would be a ready replay.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventResponse {
    id: Uuid,
    webhook: Uuid,
    webhook_name: String,
    provider_name: String,
    event_type: String,
    #[schema(value_type = Object)]
    payload: Value,
    #[schema(value_type = Object)]
    headers: Value,
    signature: String,
    is_valid: bool,
    is_processed: bool,
    processed_at: Option<DateTime<Utc>>,
    error_message: String,
    retry_count: i32,
    received_at: DateTime<Utc>,
}

impl From<EventRow> for EventResponse {
    fn from(row: EventRow) -> Self {
        let payload = serde_json::from_slice(&row.raw_body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&row.raw_body).into_owned()));
        Self {
            id: row.id,
            webhook: row.webhook,
            webhook_name: row.webhook_name,
            provider_name: row.provider_name,
            event_type: row.event_type,
            payload,
            headers: row.headers,
            signature: crate::credential::model::mask(&row.signature),
            is_valid: row.is_valid,
            is_processed: row.is_processed,
            processed_at: row.processed_at,
            error_message: row.error_message,
            retry_count: row.retry_count,
            received_at: row.received_at,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    webhook: Option<Uuid>,
    processed: Option<bool>,
    valid: Option<bool>,
    days: Option<i64>,
}

/// The events, newest first.
#[utoipa::path(get, path = "/api/integrations/webhook-events/", tag = "webhooks",
    params(("webhook" = Option<Uuid>, Query), ("processed" = Option<bool>, Query), ("valid" = Option<bool>, Query),
        ("days" = Option<i64>, Query)),
    responses((status = 200, body = Vec<EventResponse>), (status = 403)))]
pub(crate) async fn list_webhook_events(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let filter = EventFilter {
        organization_id: if caller.superuser { None } else { caller.org },
        webhook: query.webhook,
        processed: query.processed,
        valid: query.valid,
        since: query
            .days
            .map(|days| state.now() - TimeDelta::days(days.clamp(0, 36_500))),
        id: None,
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = event_store::list_events(&mut conn, &filter, page.offset(), page.limit())
        .await
        .map_err(ApiError::internal)?;
    let shown: Vec<EventResponse> = rows.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// One event.
#[utoipa::path(get, path = "/api/integrations/webhook-events/{id}/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = EventResponse), (status = 403), (status = 404)))]
pub(crate) async fn get_webhook_event(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let filter = EventFilter {
        organization_id: if caller.superuser { None } else { caller.org },
        id: Some(*id),
        ..EventFilter::default()
    };
    let mut conn = state.stack.db.get().await?;
    let (_, mut rows) = event_store::list_events(&mut conn, &filter, 0, 1).await?;
    let row = rows.pop().ok_or_else(missing)?;
    Ok(HttpResponse::Ok().json(EventResponse::from(row)))
}

fn missing() -> ApiError {
    ApiError::no_match("webhook.event_not_found", "WebhookEvent")
}

/// Takes a stored event again, after its endpoint was corrected.
#[utoipa::path(post, path = "/api/integrations/webhook-events/{id}/retry/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200), (status = 400), (status = 404)))]
pub(crate) async fn retry_webhook_event(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    again(&state, &caller, ip, *id, false).await
}

/// Hands a stored event on again, also one that was handed on before: whoever hears it asks the provider again.
#[utoipa::path(post, path = "/api/integrations/webhook-events/{id}/replay/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200), (status = 400), (status = 404)))]
pub(crate) async fn replay_webhook_event(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    again(&state, &caller, ip, *id, true).await
}

async fn again(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Uuid,
    replay: bool,
) -> Result<HttpResponse, ApiError> {
    let organization = if caller.superuser { None } else { caller.org };
    let action = if replay {
        "integrations.webhook_replayed"
    } else {
        "integrations.webhook_retried"
    };
    let audit = AuditEntry::new(caller.sub, ActorKind::User, action, state.now())
        .subject("webhook_event", id)
        .organization(organization)
        .origin(Some(ip.0), None);
    let mut conn = state.stack.db.get().await?;
    record(&mut conn, audit).await?;
    drop(conn);
    let refuse =
        |code, words: &str| ApiError::bad_request(code, words).bare(json!({"error": words}));
    match retry::retry(state, id, organization, replay)
        .await
        .map_err(|error| error.answer(false))?
    {
        Retried::Missing => Err(missing()),
        Retried::AlreadyProcessed => Err(refuse(
            "webhook.already_processed",
            "Event already processed",
        )),
        Retried::Invalid => Err(refuse(
            "webhook.invalid_event",
            "Cannot retry invalid event",
        )),
        Retried::Done {
            success,
            message,
            retry_count,
        } => Ok(HttpResponse::Ok()
            .json(json!({"success": success, "message": message, "retry_count": retry_count}))),
    }
}

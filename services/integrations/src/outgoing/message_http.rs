//! `/api/integrations/messages/…`: what was told outside, to whom, and with what result.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use service_http::{Allowed, ApiError, ClinicAdmin, Json, PageQuery, Path, Query, paginate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::OutgoingError,
    message_store::{self, AttemptRow, DeliveryRow, MessageFilter, MessageRow},
    publish, replay,
    service::owner_of,
};
use crate::{AppState, actor::Actor};

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    event_type: Option<String>,
    ordering_key: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

/// The organisation's messages, newest first.
#[utoipa::path(get, path = "/api/integrations/messages/", tag = "outgoing webhooks",
    params(("event_type" = Option<String>, Query), ("ordering_key" = Option<String>, Query), ("since" = Option<DateTime<Utc>>, Query),
        ("until" = Option<DateTime<Utc>>, Query)), responses((status = 200, body = Vec<MessageRow>), (status = 403)))]
pub(crate) async fn list_webhook_messages(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let filter = MessageFilter {
        event_type: query.event_type,
        ordering_key: query.ordering_key,
        since: query.since,
        until: query.until,
    };
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = message_store::list_messages(
        &mut conn,
        owner_of(&caller)?,
        &filter,
        page.offset(),
        page.limit(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// A message of the organisation's own.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MessageRequest {
    /// One of the organisation's own `event-types/`.
    event_type: String,
    /// At most 64 KB.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    /// Messages of one key have a `sequence` without gaps; the message's own id when absent.
    #[serde(default)]
    ordering_key: Option<String>,
    /// The sender's own id: the same one is one message, however often it is sent.
    #[serde(default)]
    event_id: Option<String>,
}

/// Sends a message to every endpoint that wants its type. A known `event_id` with the same content answers 200.
#[utoipa::path(post, path = "/api/integrations/messages/", tag = "outgoing webhooks", request_body = MessageRequest,
    responses((status = 202, body = MessageRow), (status = 200, body = MessageRow), (status = 400), (status = 403), (status = 409)))]
pub(crate) async fn create_webhook_message(
    actor: Actor,
    body: Json<MessageRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let wanted = publish::Message {
        event_type: body.event_type,
        data: body.data,
        ordering_key: body.ordering_key,
        event_id: body.event_id,
    };
    let sent = publish::send(&state, &actor, wanted).await?;
    let mut answer = if sent.is_new {
        HttpResponse::Accepted()
    } else {
        HttpResponse::Ok()
    };
    Ok(answer.json(sent.message))
}

/// A message with where it went.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageDetail {
    #[serde(flatten)]
    message: MessageRow,
    deliveries: Vec<DeliveryRow>,
}

async fn find(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    id: Uuid,
) -> Result<MessageRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = message_store::find_message(&mut conn, owner_of(caller)?, id).await?;
    Ok(row.ok_or(OutgoingError::Missing("WebhookMessage"))?)
}

/// One message with its deliveries.
#[utoipa::path(get, path = "/api/integrations/messages/{id}/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = MessageDetail), (status = 403), (status = 404)))]
pub(crate) async fn get_webhook_message(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let message = find(&state, &caller, *id).await?;
    let mut conn = state.stack.db.get().await?;
    let deliveries = message_store::list_deliveries_for_message(&mut conn, message.id).await?;
    Ok(HttpResponse::Ok().json(MessageDetail {
        message,
        deliveries,
    }))
}

/// Every try of a message, oldest first. A receiver's answer is never kept, its status is.
#[utoipa::path(get, path = "/api/integrations/messages/{id}/attempts/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Vec<AttemptRow>), (status = 403), (status = 404)))]
pub(crate) async fn list_webhook_attempts(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let message = find(&state, &caller, *id).await?;
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = message_store::list_attempts_for_message(
        &mut conn,
        message.id,
        page.offset(),
        page.limit(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// Body of `resend/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ResendRequest {
    endpoint_id: Uuid,
}

/// Sends a message to one endpoint again, under the same id.
#[utoipa::path(post, path = "/api/integrations/messages/{id}/resend/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    request_body = ResendRequest, responses((status = 202), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn resend_webhook_message(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<ResendRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    replay::resend(&state, &actor, *id, body.endpoint_id).await?;
    Ok(HttpResponse::Accepted().json(json!({"message_id": *id, "endpoint_id": body.endpoint_id})))
}

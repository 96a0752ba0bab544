//! `/api/integrations/webhooks/…` (I08, wire.md 3.4) and the sample of what was refused.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use service_http::{Allowed, ApiError, ClinicAdmin, Json, PageQuery, Path, Query, paginate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::WebhookError,
    probe::{self, Tested},
    rejection_store::{self, RejectionResponse},
    service,
    store::{self, EndpointFilter, EndpointResponse},
    wanted::Wanted,
};
use crate::{AppState, actor::Actor};

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    provider: Option<String>,
    active_only: Option<String>,
}

/// The endpoints, without their secrets.
#[utoipa::path(get, path = "/api/integrations/webhooks/", tag = "webhooks",
    params(("provider" = Option<String>, Query), ("active_only" = Option<bool>, Query), ("search" = Option<String>, Query)),
    responses((status = 200, body = Vec<EndpointResponse>), (status = 403)))]
pub(crate) async fn list_webhooks(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let query = query.into_inner();
    let filter = EndpointFilter {
        organization_id: if caller.superuser { None } else { caller.org },
        provider: query.provider,
        active_only: query.active_only.as_deref() == Some("true"),
        search: page.search().map(str::to_owned),
        id: None,
    };
    let mut conn = state.stack.db.get().await?;
    let (count, rows) =
        store::list_endpoints(&mut conn, &filter, page.offset(), page.limit()).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// Tells an absent member from a null one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What an endpoint shall be; in `PATCH` an absent member keeps what it is.
#[derive(Deserialize, ToSchema)]
pub(crate) struct WebhookRequest {
    #[serde(default)]
    provider: Option<Uuid>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    endpoint_url: Option<String>,
    /// Never shown again.
    #[serde(default)]
    secret_key: Option<String>,
    /// Makes a secret and shows it this once; at creation, instead of `secret_key`.
    #[serde(default)]
    generate_secret: bool,
    /// Types that are taken; `payment.*` and `*` are families.
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    is_active: Option<bool>,
    #[serde(default)]
    retry_count: Option<i32>,
    #[serde(default)]
    timeout_seconds: Option<i32>,
    /// `auto`, `x_signature`, `standard`, `stripe`, `wave` or `generic`.
    #[serde(default)]
    scheme: Option<String>,
    /// Of the generic scheme.
    #[serde(default)]
    #[schema(value_type = Object)]
    scheme_options: Option<Value>,
    /// Seconds that a stated time may lie in the past.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i32>)]
    tolerance_seconds: Option<Option<i32>>,
    /// Answers 200 to what is refused.
    #[serde(default)]
    legacy_replies: Option<bool>,
}

impl From<WebhookRequest> for Wanted {
    fn from(body: WebhookRequest) -> Self {
        Self {
            provider: body.provider,
            name: body.name,
            endpoint_url: body.endpoint_url,
            secret_key: body.secret_key,
            events: body.events,
            is_active: body.is_active,
            retry_count: body.retry_count,
            timeout_seconds: body.timeout_seconds,
            scheme: body.scheme,
            scheme_options: body.scheme_options,
            tolerance_seconds: body.tolerance_seconds,
            legacy_replies: body.legacy_replies,
        }
    }
}

/// A new endpoint, with its secret when that was made here.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedWebhook {
    #[serde(flatten)]
    endpoint: EndpointResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
}

/// Registers an endpoint.
#[utoipa::path(post, path = "/api/integrations/webhooks/", tag = "webhooks", request_body = WebhookRequest,
    responses((status = 201, body = CreatedWebhook), (status = 400), (status = 403)))]
pub(crate) async fn create_webhook(
    actor: Actor,
    body: Json<WebhookRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let mut body = body.into_inner();
    let made = (body.generate_secret && body.secret_key.is_none()).then(service::new_secret);
    if let Some(made) = &made {
        body.secret_key = Some(made.clone());
    }
    let endpoint = service::create(&state, &actor, body.into()).await?;
    Ok(HttpResponse::Created()
        .insert_header(("cache-control", "no-store"))
        .json(CreatedWebhook {
            endpoint,
            secret_key: made,
        }))
}

/// One endpoint.
#[utoipa::path(get, path = "/api/integrations/webhooks/{id}/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = EndpointResponse), (status = 403), (status = 404)))]
pub(crate) async fn get_webhook(
    actor: Actor,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service::find(&state, actor.organization(), *id).await?))
}

/// Changes an endpoint.
#[utoipa::path(patch, path = "/api/integrations/webhooks/{id}/", tag = "webhooks", params(("id" = Uuid, Path)),
    request_body = WebhookRequest, responses((status = 200, body = EndpointResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_webhook(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<WebhookRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let wanted = body.into_inner().into();
    Ok(HttpResponse::Ok().json(service::update(&state, &actor, *id, wanted).await?))
}

/// Removes an endpoint that never received an event.
#[utoipa::path(delete, path = "/api/integrations/webhooks/{id}/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn delete_webhook(
    actor: Actor,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    service::delete(&state, &actor, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Body of `rotate-secret/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RotateWebhookRequest {
    secret_key: String,
    /// How long the old one is taken too; 24 when absent, 0 to 168.
    #[serde(default)]
    overlap_hours: Option<i64>,
}

/// Gives an endpoint another secret without refusing what is under way.
#[utoipa::path(post, path = "/api/integrations/webhooks/{id}/rotate-secret/", tag = "webhooks", params(("id" = Uuid, Path)),
    request_body = RotateWebhookRequest, responses((status = 200, body = EndpointResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn rotate_webhook_secret(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<RotateWebhookRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let hours = body.overlap_hours.unwrap_or(24);
    Ok(
        HttpResponse::Ok()
            .json(service::rotate(&state, &actor, *id, body.secret_key, hours).await?),
    )
}

/// Lets an endpoint receive an event of the type `test`.
#[utoipa::path(post, path = "/api/integrations/webhooks/{id}/test/", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 200), (status = 403), (status = 404)))]
pub(crate) async fn test_webhook(
    actor: Actor,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (success, event_id, message) = match probe::test(&state, &actor, *id).await {
        Ok(Tested::Done(event)) => (true, event, "Webhook test successful"),
        Ok(Tested::NotConfigured(event)) => (
            false,
            event,
            "Event type test not configured for this webhook",
        ),
        Err(WebhookError::UnknownEndpoint) => return Err(service::missing()),
        Err(error) => return Err(error.answer(false)),
    };
    Ok(HttpResponse::Ok()
        .json(json!({"success": success, "event_id": event_id, "message": message})))
}

/// How the receiver does: endpoints that are on, events that wait.
#[utoipa::path(get, path = "/api/integrations/webhooks/health-check/", tag = "webhooks",
    responses((status = 200), (status = 403)))]
pub(crate) async fn check_webhooks(
    caller: Allowed<ClinicAdmin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let organization = if caller.superuser { None } else { caller.org };
    let mut conn = state.stack.db.get().await?;
    let (active, pending) = store::count_active_and_pending(&mut conn, organization).await?;
    Ok(HttpResponse::Ok()
        .json(json!({"status": "healthy", "active_webhooks": active, "pending_events": pending})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct RejectionQuery {
    webhook: Option<Uuid>,
}

/// What came with a bad signature within 24 hours: a capped sample, newest first.
#[utoipa::path(get, path = "/api/integrations/webhook-rejections/", tag = "webhooks",
    params(("webhook" = Option<Uuid>, Query)), responses((status = 200, body = Vec<RejectionResponse>), (status = 403)))]
pub(crate) async fn list_webhook_rejections(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<RejectionQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let organization = if caller.superuser { None } else { caller.org };
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = rejection_store::list_rejections(
        &mut conn,
        organization,
        query.webhook,
        page.offset(),
        page.limit(),
    )
    .await?;
    let shown: Vec<RejectionResponse> = rows.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

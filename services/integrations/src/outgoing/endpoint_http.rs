//! `/api/integrations/endpoints/…`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_http::{Allowed, ApiError, ClinicAdmin, Json, PageQuery, Path, Query, paginate, text};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    endpoint_store::{self, EndpointRow},
    error::OutgoingError,
    message_store::{self, DeliveryRow, EndpointStatistics},
    replay,
    service::{self, owner_of},
    wanted::Wanted,
};
use crate::{AppState, actor::Actor};

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    is_active: Option<bool>,
}

/// The organisation's endpoints, newest first.
#[utoipa::path(get, path = "/api/integrations/endpoints/", tag = "outgoing webhooks",
    params(("is_active" = Option<bool>, Query), ("search" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<EndpointRow>), (status = 403)))]
pub(crate) async fn list_endpoints(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let owner = owner_of(&caller)?;
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = endpoint_store::list_endpoints(
        &mut conn,
        owner,
        query.is_active,
        page.search(),
        page.offset(),
        page.limit(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// What an endpoint shall be; in `PATCH` an absent member keeps what it is.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EndpointRequest {
    #[serde(default)]
    name: Option<String>,
    /// https, on the public internet.
    #[serde(default)]
    url: Option<String>,
    /// Names of `event-types/`; empty: all.
    #[serde(default)]
    event_types: Option<Vec<String>>,
    /// Whether events of one key wait for each other.
    #[serde(default)]
    ordered: Option<bool>,
    /// 1 to 30.
    #[serde(default)]
    timeout_seconds: Option<i32>,
    /// Told when the endpoint is switched off; empty: nobody.
    #[serde(default)]
    notify_email: Option<String>,
    #[serde(default)]
    is_active: Option<bool>,
    /// `whsec_…` of the receiver's choice, at creation only; else one is made.
    #[serde(default)]
    secret: Option<String>,
}

impl EndpointRequest {
    fn split(self) -> (Wanted, Option<String>) {
        let wanted = Wanted {
            name: self.name,
            url: self.url,
            event_types: self.event_types,
            ordered: self.ordered,
            timeout_seconds: self.timeout_seconds,
            notify_email: self.notify_email,
            is_active: self.is_active,
        };
        (wanted, self.secret)
    }
}

/// An endpoint with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedEndpoint {
    #[serde(flatten)]
    endpoint: EndpointRow,
    /// Shown this once.
    secret: String,
}

/// Registers an endpoint. Its secret is in this answer and never again.
#[utoipa::path(post, path = "/api/integrations/endpoints/", tag = "outgoing webhooks", request_body = EndpointRequest,
    responses((status = 201, body = CreatedEndpoint), (status = 400), (status = 403), (status = 409)))]
pub(crate) async fn create_endpoint(
    actor: Actor,
    body: Json<EndpointRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (wanted, secret) = body.into_inner().split();
    let (endpoint, secret) = service::create(&state, &actor, wanted, secret).await?;
    Ok(HttpResponse::Created()
        .insert_header(("cache-control", "no-store"))
        .json(CreatedEndpoint { endpoint, secret }))
}

async fn find(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    id: Uuid,
) -> Result<EndpointRow, ApiError> {
    let owner = owner_of(caller)?;
    let mut conn = state.stack.db.get().await?;
    let row = endpoint_store::find_endpoint(&mut conn, owner, id).await?;
    Ok(row.ok_or(OutgoingError::Missing("WebhookEndpoint"))?)
}

/// One endpoint.
#[utoipa::path(get, path = "/api/integrations/endpoints/{id}/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    responses((status = 200, body = EndpointRow), (status = 403), (status = 404)))]
pub(crate) async fn get_endpoint(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(find(&state, &caller, *id).await?))
}

/// Changes an endpoint, or switches it on or off.
#[utoipa::path(patch, path = "/api/integrations/endpoints/{id}/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    request_body = EndpointRequest, responses((status = 200, body = EndpointRow), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_endpoint(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<EndpointRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (wanted, secret) = body.into_inner().split();
    if secret.is_some() {
        return Err(ApiError::invalid().field("secret", "Use rotate-secret."));
    }
    Ok(HttpResponse::Ok().json(service::update(&state, &actor, *id, wanted).await?))
}

/// Removes an endpoint with what it was sent.
#[utoipa::path(delete, path = "/api/integrations/endpoints/{id}/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_endpoint(
    actor: Actor,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    service::delete(&state, &actor, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Body of `rotate-secret/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RotateSecretRequest {
    /// `whsec_…`; one is made when absent.
    #[serde(default)]
    secret: Option<String>,
    /// How long the old one signs too; 24 when absent, 0 to 168.
    #[serde(default)]
    overlap_hours: Option<i64>,
}

/// Gives the endpoint another secret, shown this once.
#[utoipa::path(post, path = "/api/integrations/endpoints/{id}/rotate-secret/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    request_body = RotateSecretRequest, responses((status = 200), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn rotate_secret(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<RotateSecretRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let (secret, until) =
        service::rotate_secret(&state, &actor, *id, body.secret, body.overlap_hours).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({"secret": secret, "previous_valid_until": until})))
}

/// Body of `recover/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RecoverRequest {
    since: DateTime<Utc>,
    #[serde(default)]
    until: Option<DateTime<Utc>>,
}

/// Sends again whatever failed since a time, in order where the endpoint keeps one.
#[utoipa::path(post, path = "/api/integrations/endpoints/{id}/recover/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    request_body = RecoverRequest, responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn recover_endpoint(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<RecoverRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let count = replay::recover(&state, &actor, *id, body.since, body.until).await?;
    Ok(HttpResponse::Accepted().json(json!({"recovering": count})))
}

/// Body of `send-example/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SendExampleRequest {
    event_type: String,
}

/// Sends an example of a type to this endpoint alone.
#[utoipa::path(post, path = "/api/integrations/endpoints/{id}/send-example/", tag = "outgoing webhooks", params(("id" = Uuid, Path)),
    request_body = SendExampleRequest, responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn send_example(
    actor: Actor,
    id: Path<Uuid>,
    body: Json<SendExampleRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let message = replay::send_example(&state, &actor, *id, &body.event_type).await?;
    Ok(HttpResponse::Accepted().json(json!({"message_id": message})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeliveryQuery {
    state: Option<String>,
}

/// What was sent to an endpoint, newest first.
#[utoipa::path(get, path = "/api/integrations/endpoints/{id}/deliveries/", tag = "outgoing webhooks",
    params(("id" = Uuid, Path), ("state" = Option<String>, Query)), responses((status = 200, body = Vec<DeliveryRow>), (status = 404)))]
pub(crate) async fn list_endpoint_deliveries(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    query: Query<DeliveryQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = find(&state, &caller, *id).await?;
    let mut conn = state.stack.db.get().await?;
    let wanted = query.state.as_deref();
    let (count, rows) = message_store::list_deliveries_for_endpoint(
        &mut conn,
        endpoint.id,
        wanted,
        page.offset(),
        page.limit(),
    )
    .await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatisticsQuery {
    days: Option<i64>,
}

/// How an endpoint does, within `days` (7 by default, at most 30).
#[utoipa::path(get, path = "/api/integrations/endpoints/{id}/statistics/", tag = "outgoing webhooks",
    params(("id" = Uuid, Path), ("days" = Option<i64>, Query)), responses((status = 200, body = EndpointStatistics), (status = 404)))]
pub(crate) async fn get_endpoint_statistics(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    query: Query<StatisticsQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let days = query.days.unwrap_or(7);
    if !(0..=30).contains(&days) {
        return Err(ApiError::invalid().field("days", text::invalid_value()));
    }
    let endpoint = find(&state, &caller, *id).await?;
    let since = state.now() - TimeDelta::days(days);
    let mut conn = state.stack.db.get().await?;
    let statistics = message_store::get_statistics(&mut conn, endpoint.id, since).await?;
    Ok(HttpResponse::Ok().json(statistics))
}

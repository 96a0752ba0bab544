//! `POST /api/integrations/webhook/{endpoint}/` (I05) and the endpoints behind it.

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service_audit::{ActorKind, AuditEntry, record};
use service_db::{DbError, violated};
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, body,
    extract::client_ip, paginate, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::WebhookError,
    model::SignatureHeaders,
    receive::{self, Incoming},
    store::{self, EndpointFilter, EndpointResponse, NewEndpoint},
};
use crate::AppState;

/// Headers that are kept with an event; all others may carry secrets.
const KEPT_HEADERS: [&str; 6] = [
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-request-id",
    "content-length",
];

/// The exact bytes of a body, up to the webhook limit; the signature is over these.
pub(crate) struct RawBody(Result<Vec<u8>, WebhookError>);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = futures_util::future::LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let max_bytes = request
                .app_data::<web::Data<AppState>>()
                .map_or(262_144, |state| state.settings.webhooks.max_body_bytes);
            let limits = body::BodyLimits {
                max_bytes,
                ..body::BodyLimits::default()
            };
            match body::read(&request, &mut payload, limits).await {
                Ok(bytes) => Ok(Self(Ok(bytes.to_vec()))),
                Err(error) if error.status() == actix_web::http::StatusCode::PAYLOAD_TOO_LARGE => {
                    Ok(Self(Err(WebhookError::TooLarge(max_bytes))))
                }
                Err(error) => Err(error),
            }
        })
    }
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Takes a provider's webhook. Answers at once; what it means is found out by whoever hears the event.
#[utoipa::path(post, path = "/api/integrations/webhook/{endpoint_url}/", tag = "webhooks",
    params(("endpoint_url" = String, Path), ("X-Signature" = Option<String>, Header, description = "Lower-case hex HMAC-SHA256 of the raw body")),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 413), (status = 422)))]
pub(crate) async fn receive_webhook(
    request: HttpRequest,
    endpoint_url: Path<String>,
    raw: RawBody,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let endpoint = receive::endpoint(&state, endpoint_url.trim_matches('/'))
        .await
        .map_err(|error| error.answer(false))?;
    let legacy = endpoint.legacy_replies;
    let body = raw.0.map_err(|error| error.answer(legacy))?;
    let either = |name: &str| {
        header(&request, &format!("webhook-{name}"))
            .or_else(|| header(&request, &format!("svix-{name}")))
    };
    let shown_headers: Map<String, Value> = KEPT_HEADERS
        .iter()
        .filter_map(|name| {
            header(&request, name).map(|value| ((*name).to_owned(), Value::from(value)))
        })
        .collect();
    let incoming = Incoming {
        headers: SignatureHeaders {
            x_signature: header(&request, "x-signature"),
            id: either("id"),
            timestamp: either("timestamp"),
            signatures: either("signature"),
        },
        shown_headers,
        body,
        source_ip: client_ip(&request).to_string(),
    };
    receive::receive(&state, &endpoint, incoming)
        .await
        .map_err(|error| error.answer(legacy))?;
    Ok(HttpResponse::Ok()
        .json(json!({"success": true, "message": "Webhook received successfully"})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    provider: Option<String>,
    active_only: Option<String>,
}

/// The endpoints, without their secrets.
#[utoipa::path(get, path = "/api/integrations/webhooks/", tag = "webhooks",
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
        id: None,
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = store::list_endpoints(&mut conn, &filter, page.offset(), page.limit())
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// Body of `POST /api/integrations/webhooks/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateWebhookRequest {
    provider: Uuid,
    name: String,
    endpoint_url: String,
    /// Never shown again.
    secret_key: String,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    is_active: Option<bool>,
    #[serde(default)]
    retry_count: Option<i32>,
    #[serde(default)]
    timeout_seconds: Option<i32>,
}

fn refusal_of(body: &CreateWebhookRequest) -> Option<ApiError> {
    let mut refusal = None;
    let mut refuse = |field: &str, message| {
        refusal = Some(
            refusal
                .take()
                .unwrap_or_else(ApiError::invalid)
                .field(field, message),
        );
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
    if body.endpoint_url.is_empty()
        || body.endpoint_url.len() > 255
        || !body.endpoint_url.chars().all(allowed)
    {
        refuse(
            "endpoint_url",
            service_http::Text::from("Enter a valid value."),
        );
    }
    if body.name.trim().is_empty() {
        refuse("name", text::not_blank());
    } else if body.name.chars().count() > 100 {
        refuse("name", text::too_long(100));
    }
    if body.secret_key.is_empty() {
        refuse("secret_key", text::not_blank());
    } else if body.secret_key.chars().count() > 255 {
        refuse("secret_key", text::too_long(255));
    }
    refusal
}

/// Registers an endpoint.
#[utoipa::path(post, path = "/api/integrations/webhooks/", tag = "webhooks", request_body = CreateWebhookRequest,
    responses((status = 201, body = EndpointResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_webhook(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    body: Json<CreateWebhookRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let body = body.into_inner();
    if let Some(refusal) = refusal_of(&body) {
        return Err(refusal);
    }
    let (id, now) = (Uuid::now_v7(), state.now());
    let organization_id = if caller.superuser { None } else { caller.org };
    let new = NewEndpoint {
        id,
        provider_id: body.provider,
        organization_id,
        name: body.name.trim().to_owned(),
        endpoint_url: body.endpoint_url.trim_matches('/').to_owned(),
        secret_sealed: state.seal(
            "webhook_endpoints",
            id,
            "secret_sealed",
            body.secret_key.as_bytes(),
        ),
        events: body.events,
        is_active: body.is_active.unwrap_or(true),
        retry_count: body.retry_count.unwrap_or(3).max(0),
        timeout_seconds: body.timeout_seconds.unwrap_or(30).max(1),
        created_at: now,
        updated_at: now,
    };
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.webhook_created",
        now,
    )
    .subject("webhook_endpoint", id)
    .organization(organization_id)
    .origin(Some(ip.0), None);
    let filter = EndpointFilter {
        id: Some(id),
        ..EndpointFilter::default()
    };
    let created = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            store::insert_endpoint(conn, &new).await?;
            Ok::<_, DbError>(store::list_endpoints(conn, &filter, 0, 1).await?.1.pop())
        })
        .await;
    match created {
        Ok(row) => Ok(HttpResponse::Created().json(row)),
        Err(DbError::Query(error))
            if violated(&error) == Some("webhook_endpoints_endpoint_url_key") =>
        {
            let message = "webhook endpoint with this endpoint url already exists.";
            Err(ApiError::invalid().field("endpoint_url", message))
        }
        Err(DbError::Query(error))
            if violated(&error) == Some("webhook_endpoints_provider_id_fkey") =>
        {
            let message = format!("Invalid pk \"{}\" - object does not exist.", body.provider);
            Err(ApiError::invalid().field("provider", message))
        }
        Err(error) => Err(ApiError::internal(error)),
    }
}

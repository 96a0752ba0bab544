//! `/api/integrations/providers/…` (I02).

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use service_audit::{ActorKind, AuditEntry, record};
use service_db::DbError;
use service_http::{
    Allowed, ApiError, Caller, ClientIp, Json, PageQuery, Path, Query, Superuser, paginate, text,
};
use utoipa::ToSchema;

use super::{
    admin_http::{is_web_address, taken},
    health,
    store::{self, Counted, ProviderChange, ProviderFilter, ProviderResponse},
};
use crate::AppState;

pub(crate) fn missing() -> ApiError {
    ApiError::no_match("provider.not_found", "IntegrationProvider")
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(rename = "type")]
    provider_type: Option<String>,
    status: Option<String>,
}

/// The providers by name.
#[utoipa::path(get, path = "/api/integrations/providers/", tag = "providers",
    params(("type" = Option<String>, Query), ("status" = Option<String>, Query), ("search" = Option<String>, Query),
        ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<ProviderResponse>), (status = 401)))]
pub(crate) async fn list_providers(
    request: HttpRequest,
    _caller: Caller,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let query = query.into_inner();
    let filter = ProviderFilter {
        provider_type: query.provider_type,
        status: query.status,
        slug: None,
        search: page.search().map(str::to_owned),
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) =
        store::list_providers(&mut conn, &filter, state.now(), page.offset(), page.limit())
            .await
            .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

pub(super) async fn find(state: &AppState, slug: &str) -> Result<ProviderResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    store::find_provider(&mut conn, slug, state.now())
        .await
        .map_err(ApiError::internal)?
        .ok_or_else(missing)
}

/// One provider.
#[utoipa::path(get, path = "/api/integrations/providers/{slug}/", tag = "providers", params(("slug" = String, Path)),
    responses((status = 200, body = ProviderResponse), (status = 404)))]
pub(crate) async fn get_provider(
    _caller: Caller,
    slug: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(find(&state, &slug).await?))
}

/// Body of `PATCH providers/{slug}/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UpdateProviderRequest {
    /// `active`, `inactive` or `maintenance`.
    #[serde(default)]
    status: Option<String>,
    /// Lower is tried first.
    #[serde(default)]
    priority: Option<i32>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    name: Option<String>,
    /// A provider that settings describe takes it from there at each start.
    #[serde(default)]
    api_base_url: Option<String>,
    #[serde(default)]
    documentation_url: Option<String>,
}

/// Switches a provider on or off, or changes its place. Providers are the platform's, so only its superusers may.
#[utoipa::path(patch, path = "/api/integrations/providers/{slug}/", tag = "providers", params(("slug" = String, Path)),
    request_body = UpdateProviderRequest, responses((status = 200, body = ProviderResponse), (status = 400), (status = 403)))]
pub(crate) async fn update_provider(
    caller: Allowed<Superuser>,
    ip: ClientIp,
    slug: Path<String>,
    body: Json<UpdateProviderRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    if let Some(status) = &body.status
        && !["active", "inactive", "maintenance"].contains(&status.as_str())
    {
        return Err(ApiError::invalid().field("status", text::not_a_choice(status)));
    }
    let name = body.name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(String::is_empty) {
        return Err(ApiError::invalid().field("name", text::not_blank()));
    }
    if name.as_ref().is_some_and(|name| name.chars().count() > 100) {
        return Err(ApiError::invalid().field("name", text::too_long(100)));
    }
    for (field, value) in [
        ("api_base_url", &body.api_base_url),
        ("documentation_url", &body.documentation_url),
    ] {
        if value.as_deref().is_some_and(|value| !is_web_address(value)) {
            return Err(ApiError::invalid().field(field, "Enter a valid URL."));
        }
    }
    let row = find(&state, &slug).await?;
    let now = state.now();
    let change = ProviderChange {
        status: body.status,
        priority: body.priority,
        description: body.description,
        name,
        api_base_url: body
            .api_base_url
            .map(|url| url.trim_end_matches('/').to_owned()),
        documentation_url: body.documentation_url,
        updated_at: Some(now),
    };
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.provider_updated",
        now,
    )
    .subject("provider", row.id)
    .origin(Some(ip.0), None);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            store::update_provider(conn, &slug, change.clone()).await?;
            Ok::<_, DbError>(())
        })
        .await
        .map_err(taken)?;
    state.registry.forget();
    Ok(HttpResponse::Ok().json(find(&state, &slug).await?))
}

/// Asks the provider now; an unhealthy one is 200 too, as it always was.
#[utoipa::path(get, path = "/api/integrations/providers/{slug}/health-check/", tag = "providers",
    params(("slug" = String, Path)), responses((status = 200), (status = 404), (status = 501)))]
pub(crate) async fn check_provider(
    _caller: Caller,
    slug: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let row = find(&state, &slug).await?;
    let live = state
        .registry
        .live(&state)
        .await
        .map_err(ApiError::internal)?;
    let report = match live.iter().find(|provider| provider.id == row.id) {
        Some(provider) => health::check(&state, provider).await,
        None if matches!(row.provider_type.as_str(), "sms" | "notification" | "ai") => Some(
            json!({"status": "unhealthy", "error": "the provider is not active", "response_time_ms": 0}),
        ),
        None => None,
    };
    match report {
        Some(report) => Ok(HttpResponse::Ok().json(report)),
        None => {
            let words = "Health check not implemented for this provider";
            Err(ApiError::new(
                StatusCode::NOT_IMPLEMENTED,
                "provider.no_health_check",
                words,
            )
            .bare(json!({"error": words})))
        }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatisticsQuery {
    days: Option<String>,
}

fn object(counted: Vec<Counted>) -> Map<String, Value> {
    counted
        .into_iter()
        .map(|row| (row.name, Value::from(row.count)))
        .collect()
}

/// Use of a provider within `days` (7 by default).
#[utoipa::path(get, path = "/api/integrations/providers/{slug}/statistics/", tag = "providers",
    params(("slug" = String, Path), ("days" = Option<i64>, Query)), responses((status = 200), (status = 400), (status = 404)))]
pub(crate) async fn get_provider_statistics(
    caller: Caller,
    slug: Path<String>,
    query: Query<StatisticsQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let days = match query.days.as_deref().map(str::parse::<i64>) {
        None => 7,
        Some(Ok(days)) if (0..=36_500).contains(&days) => days,
        Some(_) => {
            return Err(ApiError::invalid().field("days", service_http::text::not_an_integer()));
        }
    };
    let row = find(&state, &slug).await?;
    let since = state.now() - TimeDelta::days(days);
    let organization = if caller.superuser {
        None
    } else {
        Some(caller.org.unwrap_or_default())
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let by_level = store::count_logs(&mut conn, row.id, organization, since)
        .await
        .map_err(ApiError::internal)?;
    let webhooks = store::count_webhooks(&mut conn, row.id, since)
        .await
        .map_err(ApiError::internal)?;
    let credentials = store::count_credentials(&mut conn, row.id, organization)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(json!({
        "provider": row.name,
        "period_days": days,
        "logs": { "total": by_level.iter().map(|row| row.count).sum::<i64>(), "by_level": object(by_level) },
        "webhooks": object(webhooks),
        "credentials": object(credentials),
    })))
}

//! `/api/integrations/rate-limits/…` (wire.md 3.8). Admins manage their own organisation's rules, superusers also the
//! platform's.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use service_audit::{ActorKind, AuditEntry, record};
use service_db::DbError;
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, paginate, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    model::Scope,
    past,
    store::{self, RuleFilter, RuleResponse, RuleRow},
};
use crate::AppState;

#[derive(Debug, Deserialize)]
pub(crate) struct RuleQuery {
    /// A provider's slug.
    provider: Option<String>,
    scope: Option<String>,
    active_only: Option<String>,
}

/// Body of `rate-limits/`; what is absent in a change stays.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RuleRequest {
    /// Id of a provider; absent for calls through any.
    #[serde(default)]
    provider: Option<Uuid>,
    #[serde(default)]
    name: Option<String>,
    /// A route such as `/api/integrations/sms/*` or an action such as `text_generation` or `send_*`.
    #[serde(default)]
    endpoint_pattern: Option<String>,
    #[serde(default)]
    max_requests: Option<i32>,
    #[serde(default)]
    time_window_seconds: Option<i32>,
    /// `global`, `user` (default), `ip` or `organization`.
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    is_active: Option<bool>,
}

const NO_REQUESTS: &str = "حداکثر درخواست باید بزرگتر از صفر باشد.";
const NO_WINDOW: &str = "بازه زمانی باید بزرگتر از صفر باشد.";

fn missing() -> ApiError {
    ApiError::no_match("rate_rule.not_found", "RateLimitRule")
}

fn visible(caller: &Allowed<ClinicAdmin>) -> Option<Uuid> {
    if caller.superuser {
        None
    } else {
        Some(caller.org.unwrap_or_default())
    }
}

/// Lays what was sent over a row and checks the whole.
fn apply(row: &mut RuleRow, body: RuleRequest) -> Result<(), ApiError> {
    let length = |field: &str, value: &str, max| {
        if value.trim().is_empty() {
            Err(ApiError::invalid().field(field, text::not_blank()))
        } else if value.chars().count() > max {
            Err(ApiError::invalid().field(field, text::too_long(max)))
        } else {
            Ok(())
        }
    };
    if let Some(name) = body.name {
        row.name = name;
    }
    if let Some(pattern) = body.endpoint_pattern {
        row.endpoint_pattern = pattern;
    }
    length("name", &row.name, 100)?;
    length("endpoint_pattern", &row.endpoint_pattern, 255)?;
    if let Some(scope) = body.scope {
        if Scope::parse(&scope).is_none() {
            return Err(ApiError::invalid().field("scope", text::not_a_choice(&scope)));
        }
        row.scope = scope;
    }
    row.provider_id = body.provider.or(row.provider_id);
    row.max_requests = body.max_requests.unwrap_or(row.max_requests);
    row.time_window_seconds = body.time_window_seconds.unwrap_or(row.time_window_seconds);
    row.is_active = body.is_active.unwrap_or(row.is_active);
    if row.max_requests <= 0 {
        return Err(ApiError::invalid().field("non_field_errors", NO_REQUESTS));
    }
    if row.time_window_seconds <= 0 {
        return Err(ApiError::invalid().field("non_field_errors", NO_WINDOW));
    }
    Ok(())
}

async fn check_provider(state: &AppState, row: &RuleRow) -> Result<(), ApiError> {
    let Some(id) = row.provider_id else {
        return Ok(());
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    if store::provider_exists(&mut conn, id)
        .await
        .map_err(ApiError::internal)?
    {
        Ok(())
    } else {
        let words = format!("Invalid pk \"{id}\" - object does not exist.");
        Err(ApiError::invalid().field("provider", words))
    }
}

async fn find(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    id: Uuid,
) -> Result<(RuleRow, Option<String>), ApiError> {
    let filter = RuleFilter {
        organization_id: visible(caller),
        id: Some(id),
        ..RuleFilter::default()
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (_, mut rows) = store::list_rules(&mut conn, &filter, 0, 1)
        .await
        .map_err(ApiError::internal)?;
    rows.pop().ok_or_else(missing)
}

fn audit(
    caller: &Allowed<ClinicAdmin>,
    ip: ClientIp,
    action: &'static str,
    row: &RuleRow,
    state: &AppState,
) -> AuditEntry {
    AuditEntry::new(caller.sub, ActorKind::User, action, state.now())
        .subject("rate_limit_rule", row.id)
        .origin(Some(ip.0), service_telemetry::current_request_id())
}

/// The rules by name.
#[utoipa::path(get, path = "/api/integrations/rate-limits/", tag = "rate-limits",
    params(("provider" = Option<String>, Query), ("scope" = Option<String>, Query), ("active_only" = Option<bool>, Query),
        ("search" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<RuleResponse>), (status = 403)))]
pub(crate) async fn list_rate_limits(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<RuleQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let filter = RuleFilter {
        organization_id: visible(&caller),
        id: None,
        provider: query.provider,
        scope: query.scope,
        active_only: query
            .active_only
            .is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1"),
        search: page.search().map(str::to_owned),
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = store::list_rules(&mut conn, &filter, page.offset(), page.limit())
        .await
        .map_err(ApiError::internal)?;
    let rows: Vec<RuleResponse> = rows
        .into_iter()
        .map(|(row, provider)| row.response(provider))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, rows)?))
}

/// One rule.
#[utoipa::path(get, path = "/api/integrations/rate-limits/{id}/", tag = "rate-limits", params(("id" = Uuid, Path)),
    responses((status = 200, body = RuleResponse), (status = 403), (status = 404)))]
pub(crate) async fn get_rate_limit(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (row, provider) = find(&state, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(row.response(provider)))
}

/// Adds a rule: a superuser's binds everybody, an admin's its own organisation.
#[utoipa::path(post, path = "/api/integrations/rate-limits/", tag = "rate-limits", request_body = RuleRequest,
    responses((status = 201, body = RuleResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_rate_limit(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    body: Json<RuleRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    for (field, absent) in [
        ("name", body.name.is_none()),
        ("endpoint_pattern", body.endpoint_pattern.is_none()),
        ("max_requests", body.max_requests.is_none()),
        ("time_window_seconds", body.time_window_seconds.is_none()),
    ] {
        if absent {
            return Err(ApiError::invalid().field(field, text::required()));
        }
    }
    let now = state.now();
    let mut row = RuleRow {
        id: Uuid::now_v7(),
        provider_id: None,
        organization_id: visible(&caller),
        name: String::new(),
        endpoint_pattern: String::new(),
        max_requests: 0,
        time_window_seconds: 0,
        scope: Scope::User.as_str().to_owned(),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    apply(&mut row, body)?;
    check_provider(&state, &row).await?;
    let entry = audit(&caller, ip, "integrations.rate_rule_created", &row, &state);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            store::insert_rule(conn, &row).await?;
            Ok::<_, DbError>(())
        })
        .await?;
    state.rules.forget();
    let (row, provider) = find(&state, &caller, row.id).await?;
    Ok(HttpResponse::Created().json(row.response(provider)))
}

/// Changes a rule; it counts at once here and within five seconds everywhere.
#[utoipa::path(patch, path = "/api/integrations/rate-limits/{id}/", tag = "rate-limits", params(("id" = Uuid, Path)),
    request_body = RuleRequest, responses((status = 200, body = RuleResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn update_rate_limit(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<RuleRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (mut row, _) = find(&state, &caller, *id).await?;
    apply(&mut row, body.into_inner())?;
    check_provider(&state, &row).await?;
    row.updated_at = state.now();
    let entry = audit(&caller, ip, "integrations.rate_rule_updated", &row, &state);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            store::update_rule(conn, &row).await?;
            Ok::<_, DbError>(())
        })
        .await?;
    state.rules.forget();
    let (row, provider) = find(&state, &caller, row.id).await?;
    Ok(HttpResponse::Ok().json(row.response(provider)))
}

/// Removes a rule.
#[utoipa::path(delete, path = "/api/integrations/rate-limits/{id}/", tag = "rate-limits", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_rate_limit(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (row, _) = find(&state, &caller, *id).await?;
    let entry = audit(&caller, ip, "integrations.rate_rule_deleted", &row, &state);
    state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, entry.clone()).await?;
            store::delete_rule(conn, row.id).await?;
            Ok::<_, DbError>(())
        })
        .await?;
    state.rules.forget();
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Debug, Deserialize)]
pub(crate) struct DryRunQuery {
    days: Option<i64>,
}

impl DryRunQuery {
    fn days(&self) -> i64 {
        self.days
            .unwrap_or(7)
            .clamp(1, crate::log::partitions::KEPT_DAYS)
    }
}

/// What a stored rule would have refused of the calls in the log (7 days by default).
#[utoipa::path(get, path = "/api/integrations/rate-limits/{id}/dry-run/", tag = "rate-limits",
    params(("id" = Uuid, Path), ("days" = Option<i64>, Query)),
    responses((status = 200), (status = 403), (status = 404)))]
pub(crate) async fn dry_run_rate_limit(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    query: Query<DryRunQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (row, _) = find(&state, &caller, *id).await?;
    answer(&state, &caller, &row, query.days()).await
}

/// What a rule would have refused, before it is stored.
#[utoipa::path(post, path = "/api/integrations/rate-limits/dry-run/", tag = "rate-limits", request_body = RuleRequest,
    params(("days" = Option<i64>, Query)), responses((status = 200), (status = 400), (status = 403)))]
pub(crate) async fn dry_run_new_rate_limit(
    caller: Allowed<ClinicAdmin>,
    query: Query<DryRunQuery>,
    body: Json<RuleRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let mut row = RuleRow {
        id: Uuid::now_v7(),
        provider_id: None,
        organization_id: visible(&caller),
        name: "dry run".to_owned(),
        endpoint_pattern: "*".to_owned(),
        max_requests: 0,
        time_window_seconds: 0,
        scope: Scope::User.as_str().to_owned(),
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    apply(&mut row, body.into_inner())?;
    answer(&state, &caller, &row, query.days()).await
}

async fn answer(
    state: &AppState,
    caller: &Allowed<ClinicAdmin>,
    row: &RuleRow,
    days: i64,
) -> Result<HttpResponse, ApiError> {
    let rule = row.rule().ok_or_else(missing)?;
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let report = past::dry_run(&mut conn, state, &rule, visible(caller), days)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(report))
}

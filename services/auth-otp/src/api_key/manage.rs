//! `/api/auth/api-keys/`: partners' keys, made and watched by admins of a clinic and by superusers.
//!
//! Making and replacing a key needs a fresh proof of the person. A clinic's admin sees and gives the clinic's keys and
//! scopes alone; a scope that reaches every clinic's data is a superuser's to give.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_http::text::{not_a_choice, required};
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, SteppedUp, Text,
    paginate,
};
use uuid::Uuid;

use super::dto::{
    ApiKeyFilter, ApiKeyMade, ApiKeyResponse, CreateApiKey, RotateApiKey, UpdateApiKey,
};
use super::store::{self, ApiKeyChanges, ApiKeyQuery, ApiKeyRow, NewApiKey};
use super::{generate, hash, hint};
use crate::state::AppState;
use crate::validate::Errors;

/// The longest name, in characters.
const MAX_NAME: usize = 100;

/// Whose keys the caller may see: a clinic's, or every one.
fn reach(admin: &Allowed<ClinicAdmin>) -> Result<Option<Uuid>, ApiError> {
    match (admin.superuser, admin.org) {
        (true, _) => Ok(None),
        (false, Some(organization)) => Ok(Some(organization)),
        (false, None) => Err(ApiError::permission_denied()),
    }
}

/// Keys, the newest first; search by name, order by `name`, `created_at` or `last_used_at`.
#[utoipa::path(get, path = "/api/auth/api-keys/", tag = "API keys", operation_id = "list_api_keys",
    params(("state" = Option<String>, Query, description = "`active`, `expired` or `revoked`"),
        ("organization_id" = Option<Uuid>, Query, description = "Superusers only")),
    responses((status = 200, description = "A page of keys"), (status = 403)))]
pub async fn list_api_keys(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<ApiKeyFilter>,
) -> Result<HttpResponse, ApiError> {
    if let Some(wanted) = filter.state.as_deref()
        && !matches!(wanted, "active" | "expired" | "revoked")
    {
        return Err(ApiError::invalid().field("state", not_a_choice(wanted)));
    }
    let now = state.now();
    let query = ApiKeyQuery {
        organization: reach(&admin)?.or(filter.organization_id),
        state: filter.state.as_deref(),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
        now,
    };
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = store::list_page(&mut conn, &query).await?;
    let shown = rows
        .into_iter()
        .map(|row| ApiKeyResponse::new(row, now))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes a key; its text is shown this once.
#[utoipa::path(post, path = "/api/auth/api-keys/", tag = "API keys", operation_id = "create_api_key",
    request_body = CreateApiKey, responses((status = 201, body = ApiKeyMade), (status = 400),
        (status = 403, description = "`auth.step_up_required`, or no admin")))]
pub async fn create_api_key(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    _fresh: SteppedUp,
    ClientIp(ip): ClientIp,
    body: Json<CreateApiKey>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let now = state.now();
    let mut errors = Errors::new();
    let name = errors.required("name", body.name, MAX_NAME);
    check_scopes(&state, admin.superuser, &body.scopes, &mut errors);
    check_end(body.expires_at, now, &mut errors);
    let organization = reach(&admin)?.or(body.organization_id);
    if let Some(named) = body.organization_id.filter(|_| admin.superuser) {
        let mut conn = state.stack.db.get().await?;
        if !store::organization_exists(&mut conn, named).await? {
            let missing = crate::validate::missing_object(&named.to_string());
            errors.add("organization_id", missing);
        }
    }
    errors.into_result()?;
    let key = generate();
    let new = NewApiKey {
        id: Uuid::now_v7(),
        name,
        key_hash: hash(&key),
        hint: hint(&key),
        scopes: body.scopes,
        organization_id: organization,
        created_at: now,
        expires_at: body.expires_at,
        created_by: Some(admin.sub),
    };
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<ApiKeyRow, ApiError> {
                let id = store::insert_api_key(conn, &new).await?;
                audit(conn, &admin, ip, "api_key.created", id, now).await?;
                missing(store::find_api_key(conn, id, None).await?)
            },
        )
        .await?;
    Ok(made(key, row, now))
}

/// One key.
#[utoipa::path(get, path = "/api/auth/api-keys/{id}/", tag = "API keys", operation_id = "get_api_key",
    params(("id" = Uuid, Path, description = "The key")), responses((status = 200, body = ApiKeyResponse), (status = 404)))]
pub async fn get_api_key(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = missing(store::find_api_key(&mut conn, *id, reach(&admin)?).await?)?;
    Ok(HttpResponse::Ok().json(ApiKeyResponse::new(row, state.now())))
}

/// Changes name, scopes or end of a living key. Services know within five seconds.
#[utoipa::path(patch, path = "/api/auth/api-keys/{id}/", tag = "API keys", operation_id = "update_api_key",
    params(("id" = Uuid, Path, description = "The key")), request_body = UpdateApiKey,
    responses((status = 200, body = ApiKeyResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn update_api_key(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    _fresh: SteppedUp,
    ClientIp(ip): ClientIp,
    id: Path<Uuid>,
    body: Json<UpdateApiKey>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let now = state.now();
    let mut errors = Errors::new();
    let name = errors.filled("name", body.name, MAX_NAME);
    if let Some(scopes) = &body.scopes {
        check_scopes(&state, admin.superuser, scopes, &mut errors);
    }
    check_end(body.expires_at, now, &mut errors);
    errors.into_result()?;
    let changes = ApiKeyChanges {
        name,
        scopes: body.scopes,
        expires_at: body.expires_at,
    };
    let (id, reach) = (*id, reach(&admin)?);
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<ApiKeyRow, ApiError> {
                missing(store::find_living(conn, id, reach, now).await?)?;
                if changes.is_some() {
                    store::update_api_key(conn, id, &changes).await?;
                }
                audit(conn, &admin, ip, "api_key.changed", id, now).await?;
                missing(store::find_api_key(conn, id, reach).await?)
            },
        )
        .await?;
    Ok(HttpResponse::Ok().json(ApiKeyResponse::new(row, now)))
}

/// Revokes a key. Services stop honouring it within five seconds.
#[utoipa::path(delete, path = "/api/auth/api-keys/{id}/", tag = "API keys", operation_id = "delete_api_key",
    params(("id" = Uuid, Path, description = "The key")), responses((status = 204), (status = 404)))]
pub async fn delete_api_key(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    ClientIp(ip): ClientIp,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let (id, now, reach) = (*id, state.now(), reach(&admin)?);
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                missing(store::find_living(conn, id, reach, now).await?)?;
                store::revoke_api_key(conn, id, now).await?;
                audit(conn, &admin, ip, "api_key.revoked", id, now).await
            },
        )
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a successor with the same name, scopes and clinic; the old key counts for `overlap_seconds` more.
#[utoipa::path(post, path = "/api/auth/api-keys/{id}/rotate/", tag = "API keys", operation_id = "rotate_api_key",
    params(("id" = Uuid, Path, description = "The key")), request_body = RotateApiKey,
    responses((status = 201, body = ApiKeyMade), (status = 400), (status = 403), (status = 404)))]
pub async fn rotate_api_key(
    state: web::Data<AppState>,
    admin: Allowed<ClinicAdmin>,
    _fresh: SteppedUp,
    ClientIp(ip): ClientIp,
    id: Path<Uuid>,
    body: Json<RotateApiKey>,
) -> Result<HttpResponse, ApiError> {
    let longest = state.settings.api_keys.max_overlap_seconds;
    if !(0..=longest).contains(&body.overlap_seconds) {
        return Err(ApiError::invalid().field(
            "overlap_seconds",
            Text::i18n(
                format!("از 0 تا {longest} ثانیه."),
                format!("De 0 à {longest} secondes."),
                format!("0 to {longest} seconds."),
            ),
        ));
    }
    let (id, now, reach) = (*id, state.now(), reach(&admin)?);
    let end = now + TimeDelta::seconds(body.overlap_seconds);
    let key = generate();
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<ApiKeyRow, ApiError> {
                let old = missing(store::find_living(conn, id, reach, now).await?)?;
                check_held(&state, admin.superuser, &old.scopes)?;
                let new = NewApiKey {
                    id: Uuid::now_v7(),
                    name: old.name.clone(),
                    key_hash: hash(&key),
                    hint: hint(&key),
                    scopes: old.scopes.clone(),
                    organization_id: old.organization_id,
                    created_at: now,
                    expires_at: old.expires_at,
                    created_by: Some(admin.sub),
                };
                let successor = store::insert_api_key(conn, &new).await?;
                store::update_replaced(conn, id, successor, end).await?;
                audit(conn, &admin, ip, "api_key.rotated", id, now).await?;
                missing(store::find_api_key(conn, successor, None).await?)
            },
        )
        .await?;
    Ok(made(key, row, now))
}

fn made(key: String, row: ApiKeyRow, now: DateTime<Utc>) -> HttpResponse {
    HttpResponse::Created()
        .insert_header(("Cache-Control", "no-store"))
        .json(ApiKeyMade {
            key,
            shown: ApiKeyResponse::new(row, now),
        })
}

fn missing(row: Option<ApiKeyRow>) -> Result<ApiKeyRow, ApiError> {
    row.ok_or_else(|| ApiError::no_match("auth.api_key_missing", "ApiKey"))
}

fn may_give(state: &AppState, superuser: bool, scope: &String) -> bool {
    let settings = &state.settings.api_keys;
    settings.clinic_scopes.contains(scope)
        || (superuser && settings.platform_scopes.contains(scope))
}

fn check_scopes(state: &AppState, superuser: bool, scopes: &[String], errors: &mut Errors) {
    if scopes.is_empty() {
        errors.add("scopes", required());
    }
    for scope in scopes {
        if !may_give(state, superuser, scope) {
            errors.add("scopes", not_a_choice(scope));
        }
    }
}

/// A successor must not give away what its maker could not give.
fn check_held(state: &AppState, superuser: bool, scopes: &[String]) -> Result<(), ApiError> {
    if superuser || scopes.iter().all(|scope| may_give(state, false, scope)) {
        Ok(())
    } else {
        Err(ApiError::permission_denied())
    }
}

fn check_end(end: Option<DateTime<Utc>>, now: DateTime<Utc>, errors: &mut Errors) {
    if end.is_some_and(|end| end <= now) {
        errors.add(
            "expires_at",
            Text::i18n(
                "این زمان گذشته است.",
                "Cette date est passée.",
                "This time has passed.",
            ),
        );
    }
}

async fn audit(
    conn: &mut AsyncPgConnection,
    admin: &Allowed<ClinicAdmin>,
    ip: std::net::IpAddr,
    action: &'static str,
    key: Uuid,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(admin.sub, ActorKind::User, action, now)
        .subject("api_key", key)
        .organization(admin.org)
        .origin(Some(ip), service_telemetry::current_request_id())
        .details(json!({"key": key}));
    service_audit::record(conn, entry).await?;
    Ok(())
}

//! `/api/integrations/credentials/…` and `GET /internal/credentials/{slug}/`.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use chrono::{DateTime, Utc};
use common_types::{AccessClaims, internal::integrations::ProviderCredentials};
use serde::Deserialize;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, record};
use service_db::{DbError, violated};
use service_http::{
    Allowed, ApiError, ClientIp, ClinicAdmin, Json, PageQuery, Path, Query, ServiceCaller,
    paginate, text,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, CredentialFilter, CredentialResponse, NewCredential, Scope};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    provider,
};

const ENVIRONMENTS: [&str; 3] = ["development", "staging", "production"];

/// An admin sees the own organisation's rows, a superuser all of them.
pub(super) fn scope(claims: &AccessClaims) -> Result<Scope, ApiError> {
    match (claims.superuser, claims.org) {
        (true, _) => Ok(Scope::Everything),
        (false, Some(organization)) => Ok(Scope::Organization(organization)),
        (false, None) => Err(ApiError::permission_denied()),
    }
}

pub(super) fn missing() -> ApiError {
    ApiError::no_match("credential.not_found", "IntegrationCredential")
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListQuery {
    provider: Option<String>,
    environment: Option<String>,
    active_only: Option<String>,
}

/// The credentials, masked.
#[utoipa::path(get, path = "/api/integrations/credentials/", tag = "credentials",
    responses((status = 200, body = Vec<CredentialResponse>), (status = 403)))]
pub(crate) async fn list_credentials(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    query: Query<ListQuery>,
    page: Query<PageQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let query = query.into_inner();
    let filter = CredentialFilter {
        provider: query.provider,
        environment: query.environment,
        active_only: query.active_only.as_deref() == Some("true"),
    };
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let (count, rows) = store::list_credentials(
        &mut conn,
        scope(&caller)?,
        &filter,
        page.offset(),
        page.limit(),
    )
    .await
    .map_err(ApiError::internal)?;
    let now = state.now();
    let shown = rows.into_iter().map(|row| row.shown(now)).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// One credential, masked.
#[utoipa::path(get, path = "/api/integrations/credentials/{id}/", tag = "credentials",
    params(("id" = Uuid, Path)), responses((status = 200, body = CredentialResponse), (status = 404)))]
pub(crate) async fn get_credential(
    caller: Allowed<ClinicAdmin>,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let row = store::find_credential(&mut conn, scope(&caller)?, *id)
        .await
        .map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().json(row.ok_or_else(missing)?.shown(state.now())))
}

/// Body of `POST /api/integrations/credentials/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateCredentialRequest {
    provider: Uuid,
    key_name: String,
    /// Never shown again.
    key_value: String,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    is_active: Option<bool>,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// Stores a credential, sealed. A superuser's belongs to the platform, an admin's to the organisation.
#[utoipa::path(post, path = "/api/integrations/credentials/", tag = "credentials", request_body = CreateCredentialRequest,
    responses((status = 201, body = CredentialResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_credential(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    body: Json<CreateCredentialRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.ready().await.map_err(ApiError::internal)?;
    let body = body.into_inner();
    let environment = body.environment.as_deref().unwrap_or("production");
    let mut refusal = None;
    let mut refuse = |field: &str, message| {
        refusal = Some(
            refusal
                .take()
                .unwrap_or_else(ApiError::invalid)
                .field(field, message),
        );
    };
    if body.key_name.trim().is_empty() {
        refuse("key_name", text::not_blank());
    }
    if body.key_name.chars().count() > 100 {
        refuse("key_name", text::too_long(100));
    }
    if body.key_value.is_empty() {
        refuse("key_value", text::not_blank());
    }
    if !ENVIRONMENTS.contains(&environment) {
        refuse("environment", text::not_a_choice(environment));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let scope = scope(&caller)?;
    let organization_id = match scope {
        Scope::Organization(id) => Some(id),
        Scope::Everything => None,
    };
    let (id, now) = (Uuid::now_v7(), state.now());
    let new = NewCredential {
        id,
        provider_id: body.provider,
        organization_id,
        key_name: body.key_name.trim(),
        value: &body.key_value,
        environment,
        is_active: body.is_active.unwrap_or(true),
        expires_at: body.expires_at,
        created_by: Some(caller.sub),
    };
    let audit = AuditEntry::new(
        caller.sub,
        ActorKind::User,
        "integrations.credential_created",
        now,
    )
    .subject("credential", id)
    .organization(organization_id)
    .origin(Some(ip.0), None);
    let state_ref = &state;
    let created = state
        .stack
        .db
        .transaction(async |conn| {
            record(conn, audit.clone()).await?;
            store::insert_credential(conn, state_ref, &new, now).await?;
            Ok::<_, DbError>(store::find_credential(conn, scope, id).await?)
        })
        .await;
    let row = match created {
        Ok(row) => row.ok_or_else(missing)?,
        Err(DbError::Query(error)) if violated(&error) == Some("provider_credentials_key") => {
            let message = "The fields provider, key_name, environment must make a unique set.";
            return Err(ApiError::invalid().field("non_field_errors", message));
        }
        Err(DbError::Query(error))
            if violated(&error) == Some("provider_credentials_provider_id_fkey") =>
        {
            let message = format!("Invalid pk \"{}\" - object does not exist.", body.provider);
            return Err(ApiError::invalid().field("provider", message));
        }
        Err(error) => return Err(ApiError::internal(error)),
    };
    state.registry.forget();
    state.stack.outbox.wake();
    Ok(HttpResponse::build(StatusCode::CREATED).json(row.shown(now)))
}

/// Body of `rotate/`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RotateCredentialRequest {
    #[serde(default)]
    new_value: Option<String>,
}

/// Replaces the value; the old one is used for at most five seconds more here.
#[utoipa::path(post, path = "/api/integrations/credentials/{id}/rotate/", tag = "credentials",
    params(("id" = Uuid, Path)), request_body = RotateCredentialRequest,
    responses((status = 200), (status = 400), (status = 404)))]
pub(crate) async fn rotate_credential(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<RotateCredentialRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let Some(value) = body
        .into_inner()
        .new_value
        .filter(|value| !value.is_empty())
    else {
        return Err(
            ApiError::bad_request("credential.value_missing", "new_value is required")
                .bare(json!({"error": "new_value is required"})),
        );
    };
    let (scope, now, id) = (scope(&caller)?, state.now(), *id);
    let state_ref = &state;
    let caller_ref = &caller;
    let found = state
        .stack
        .db
        .transaction(async |conn| {
            let Some(row) = store::find_credential(conn, scope, id).await? else {
                return Ok(false);
            };
            let audit = AuditEntry::new(
                caller_ref.sub,
                ActorKind::User,
                "integrations.credential_rotated",
                now,
            )
            .subject("credential", id)
            .organization(row.organization_id)
            .origin(Some(ip.0), None);
            record(conn, audit).await?;
            store::update_value(conn, state_ref, id, &value, now).await?;
            let log = NewLog {
                provider_id: Some(row.provider),
                organization_id: row.organization_id,
                request_data: json!({"credential_id": id, "key_name": row.key_name}),
                user: Some((caller_ref.sub, caller_ref.name.clone())),
                ip_address: Some(ip.0.to_string()),
                ..NewLog::new("info", "credentials", "rotate_credential")
            };
            insert_log(conn, log, now).await?;
            Ok::<_, DbError>(true)
        })
        .await
        .map_err(ApiError::internal)?;
    if !found {
        return Err(missing());
    }
    state.registry.forget();
    state.stack.outbox.wake();
    Ok(HttpResponse::Ok()
        .json(json!({"success": true, "message": "Credential rotated successfully"})))
}

#[derive(Debug, Deserialize)]
pub(crate) struct InternalQuery {
    organization_id: Option<Uuid>,
}

/// What a service may hold in memory for five minutes (decision 17): the provider's values and its base address.
/// Only payments reads payment providers.
pub(crate) async fn get_internal_credentials(
    caller: ServiceCaller,
    slug: Path<String>,
    query: Query<InternalQuery>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let live = state
        .registry
        .live(&state)
        .await
        .map_err(ApiError::internal)?;
    let Some(found) = live.iter().find(|candidate| candidate.slug == *slug) else {
        return Err(provider::http::missing());
    };
    let service = caller.0.service();
    if found.provider_type != "payment" || service != "payments" {
        return Err(ApiError::permission_denied());
    }
    let mut conn = state.stack.db.get().await.map_err(ApiError::internal)?;
    let audit = AuditEntry::new(
        service,
        ActorKind::Service,
        "integrations.credentials_read",
        state.now(),
    )
    .subject("provider", found.id)
    .organization(query.organization_id);
    record(&mut conn, audit).await.map_err(ApiError::internal)?;
    let mut values = found.values(query.organization_id);
    values.insert("base_url".to_owned(), found.base_url.clone());
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(ProviderCredentials {
            provider: found.slug.clone(),
            values,
        }))
}

//! Switching credentials off, giving them an end, removing them.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use service_audit::{ActorKind, AuditEntry, record};
use service_db::DbError;
use service_http::{Allowed, ApiError, ClientIp, ClinicAdmin, Json, Path};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    http::{missing, scope},
    store::{self, CredentialResponse},
};
use crate::AppState;

/// Tells an absent member from a null one.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Body of `PATCH credentials/{id}/`; the value itself is changed by `rotate/` alone.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UpdateCredentialRequest {
    #[serde(default)]
    is_active: Option<bool>,
    /// From then on it is not used; null: no end.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Option<Option<DateTime<Utc>>>,
}

fn audit(
    caller: &Allowed<ClinicAdmin>,
    ip: ClientIp,
    action: &'static str,
    id: Uuid,
    now: DateTime<Utc>,
) -> AuditEntry {
    let organization = if caller.superuser { None } else { caller.org };
    AuditEntry::new(caller.sub, ActorKind::User, action, now)
        .subject("credential", id)
        .organization(organization)
        .origin(Some(ip.0), None)
}

/// Switches a credential on or off, or sets its end; felt within five seconds here and told to whoever holds it.
#[utoipa::path(patch, path = "/api/integrations/credentials/{id}/", tag = "credentials", params(("id" = Uuid, Path)),
    request_body = UpdateCredentialRequest, responses((status = 200, body = CredentialResponse), (status = 403), (status = 404)))]
pub(crate) async fn update_credential(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    body: Json<UpdateCredentialRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (scope, now, id) = (scope(&caller)?, state.now(), *id);
    let (is_active, expires_at) = (body.is_active, body.expires_at);
    let audit = audit(&caller, ip, "integrations.credential_updated", id, now);
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            if store::find_credential(conn, scope, id).await?.is_none() {
                return Ok(None);
            }
            record(conn, audit.clone()).await?;
            store::update_use(conn, id, is_active, expires_at, now).await?;
            Ok::<_, DbError>(store::find_credential(conn, scope, id).await?)
        })
        .await?;
    let row = row.ok_or_else(missing)?;
    state.registry.forget();
    state.stack.outbox.wake();
    Ok(HttpResponse::Ok().json(row.shown(now)))
}

/// Removes a credential.
#[utoipa::path(delete, path = "/api/integrations/credentials/{id}/", tag = "credentials", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_credential(
    caller: Allowed<ClinicAdmin>,
    ip: ClientIp,
    id: Path<Uuid>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (scope, now, id) = (scope(&caller)?, state.now(), *id);
    let audit = audit(&caller, ip, "integrations.credential_deleted", id, now);
    let found = state
        .stack
        .db
        .transaction(async |conn| {
            if store::find_credential(conn, scope, id).await?.is_none() {
                return Ok(false);
            }
            record(conn, audit.clone()).await?;
            store::delete_credential(conn, id, now).await?;
            Ok::<_, DbError>(true)
        })
        .await?;
    if !found {
        return Err(missing());
    }
    state.registry.forget();
    state.stack.outbox.wake();
    Ok(HttpResponse::NoContent().finish())
}

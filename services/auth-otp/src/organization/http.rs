//! `/api/auth/organizations/` (A08, A15; wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web};
use diesel_async::AsyncPgConnection;
use service_audit::{ActorKind, AuditEntry};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, paginate};
use uuid::Uuid;

use super::dto::{OrganizationFilter, OrganizationRequest, OrganizationResponse, boolean};
use super::store::{
    self, NewOrganization, OrganizationChanges, OrganizationQuery, OrganizationRow,
};
use super::{Rights, service};
use crate::state::AppState;
use crate::validate::Errors;

const MODEL: &str = "Organization";

/// The caller's organisations; all of them for superusers.
#[utoipa::path(get, path = "/api/auth/organizations/", tag = "organizations", operation_id = "list_organizations",
    responses((status = 200, description = "A page of organisations")))]
pub async fn list_organizations(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<OrganizationFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let query = OrganizationQuery {
        member: (!caller.superuser).then_some(caller.sub),
        is_active: boolean(filter.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_organizations(&mut conn, &query).await?;
    let shown = shown(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes an organisation; the caller becomes its content admin.
#[utoipa::path(post, path = "/api/auth/organizations/", tag = "organizations", operation_id = "create_organization",
    request_body = OrganizationRequest, responses((status = 201, body = OrganizationResponse), (status = 400)))]
pub async fn create_organization(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let now = state.now();
    let mut errors = Errors::new();
    let new = NewOrganization {
        id: Uuid::now_v7(),
        name: errors.required("name", body.name, 255),
        slug: match body.slug {
            Some(slug) => errors.slug("slug", Some(slug), 100).unwrap_or_default(),
            None => errors.required("slug", None, 100),
        },
        description: errors
            .text("description", body.description, 5000)
            .unwrap_or_default(),
        is_active: body.is_active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    errors.into_result()?;
    let maker = caller.sub;
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<OrganizationRow, ApiError> {
                let row = service::create(conn, &new, maker, now).await?;
                audit(conn, maker, "organization.created", row.id, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(HttpResponse::Created().json(OrganizationResponse::new(row, 1, 0)))
}

/// One of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "get_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = OrganizationResponse), (status = 404)))]
pub async fn get_organization(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = visible(&mut conn, &caller, *id).await?;
    one(&mut conn, row).await
}

/// Changes an organisation; its admins only.
#[utoipa::path(patch, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "update_organization",
    params(("id" = i64, Path, description = "The number")), request_body = OrganizationRequest,
    responses((status = 200, body = OrganizationResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn update_organization(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = visible(&mut conn, &caller, *id).await?;
    rights.require_admin()?;
    drop(conn);
    let body = body.into_inner();
    let mut errors = Errors::new();
    let changes = OrganizationChanges {
        name: errors.filled("name", body.name, 255),
        slug: errors.slug("slug", body.slug, 100),
        description: errors.text("description", body.description, 5000),
        is_active: body.is_active,
    };
    errors.into_result()?;
    change(&state, caller.sub, row.id, &changes, "organization.updated").await
}

/// Closes an organisation: what hangs on it stays readable for its record. Superusers and its admins.
#[utoipa::path(delete, path = "/api/auth/organizations/{id}/", tag = "organizations", operation_id = "delete_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404)))]
pub async fn delete_organization(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = visible(&mut conn, &caller, *id).await?;
    rights.require_admin()?;
    drop(conn);
    let closed = OrganizationChanges {
        name: None,
        slug: None,
        description: None,
        is_active: Some(false),
    };
    change(&state, caller.sub, row.id, &closed, "organization.closed").await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn change(
    state: &AppState,
    actor: Uuid,
    id: Uuid,
    changes: &OrganizationChanges,
    action: &'static str,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<OrganizationRow, ApiError> {
                let row = service::change(conn, id, changes, now).await?;
                audit(conn, actor, action, row.id, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    let mut conn = state.stack.db.get().await?;
    one(&mut conn, row).await
}

async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    number: i64,
) -> Result<(OrganizationRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let row = store::find_organization(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, row.id, MODEL).await?;
    Ok((row, rights))
}

async fn one(conn: &mut AsyncPgConnection, row: OrganizationRow) -> Result<HttpResponse, ApiError> {
    let shown = shown(conn, vec![row]).await?;
    Ok(HttpResponse::Ok().json(shown.into_iter().next()))
}

async fn shown(
    conn: &mut AsyncPgConnection,
    rows: Vec<OrganizationRow>,
) -> Result<Vec<OrganizationResponse>, ApiError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let counts = store::list_counts(conn, &ids).await?;
    let of = |row: OrganizationRow| {
        let (members, workspaces) = counts.get(&row.id).copied().unwrap_or_default();
        OrganizationResponse::new(row, members, workspaces)
    };
    Ok(rows.into_iter().map(of).collect())
}

async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    id: Uuid,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("organization", id)
        .organization(Some(id))
        .origin(None, service_telemetry::current_request_id());
    service_audit::record(conn, entry).await?;
    Ok(())
}

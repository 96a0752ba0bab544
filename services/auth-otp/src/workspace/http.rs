//! `/api/auth/workspaces/` (A08, A15; wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use service_audit::{ActorKind, AuditEntry};
use service_http::text::required;
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, paginate};
use uuid::Uuid;

use super::dto::{WorkspaceFilter, WorkspaceRequest, WorkspaceResponse};
use super::service;
use super::store::{self, NewWorkspace, WorkspaceChanges, WorkspaceQuery, WorkspaceRow};
use crate::organization::dto::boolean;
use crate::organization::{Rights, store as organizations};
use crate::state::AppState;
use crate::validate::{Errors, missing_object};

const MODEL: &str = "Workspace";

/// Workspaces of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/workspaces/", tag = "organizations", operation_id = "list_workspaces",
    responses((status = 200, description = "A page of workspaces")))]
pub async fn list_workspaces(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    filter: Query<WorkspaceFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let query = WorkspaceQuery {
        seen_by: (!caller.superuser).then_some(caller.sub),
        organization: filter.organization,
        is_active: boolean(filter.is_active.as_deref()),
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let (count, rows) = store::list_workspaces(&mut conn, &query).await?;
    let shown = rows.into_iter().map(WorkspaceResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Makes a workspace; admins of the organisation only.
#[utoipa::path(post, path = "/api/auth/workspaces/", tag = "organizations", operation_id = "create_workspace",
    request_body = WorkspaceRequest, responses((status = 201, body = WorkspaceResponse), (status = 400), (status = 403)))]
pub async fn create_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let now = state.now();
    let mut errors = Errors::new();
    let mut new = NewWorkspace {
        id: Uuid::now_v7(),
        organization_id: Uuid::nil(),
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
    let mut rights = Rights::default();
    match body.organization {
        None => errors.add("organization", required()),
        Some(number) => {
            let mut conn = state.stack.db.get().await?;
            let row = organizations::find_organization(&mut conn, number).await?;
            if let Some(row) = row {
                new.organization_id = row.id;
                rights = Rights::in_organization(&mut conn, &caller, row.id).await?;
            }
            if !rights.is_member() || new.organization_id.is_nil() {
                errors.add("organization", missing_object(&number.to_string()));
            }
        }
    }
    errors.into_result()?;
    rights.require_admin()?;
    let actor = caller.sub;
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<WorkspaceRow, ApiError> {
                let row = service::create(conn, &new, now).await?;
                audit(conn, actor, "workspace.created", &row, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(HttpResponse::Created().json(WorkspaceResponse::from(row)))
}

/// One workspace of the caller's organisations.
#[utoipa::path(get, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "get_workspace",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = WorkspaceResponse), (status = 404)))]
pub async fn get_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = visible(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(WorkspaceResponse::from(row)))
}

/// Changes a workspace; admins only.
#[utoipa::path(patch, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "update_workspace",
    params(("id" = i64, Path, description = "The number")), request_body = WorkspaceRequest,
    responses((status = 200, body = WorkspaceResponse), (status = 400), (status = 403), (status = 404)))]
pub async fn update_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
    body: Json<WorkspaceRequest>,
) -> Result<HttpResponse, ApiError> {
    let row = administered(&state, &caller, *id).await?;
    let body = body.into_inner();
    let mut errors = Errors::new();
    let changes = WorkspaceChanges {
        name: errors.filled("name", body.name, 255),
        slug: errors.slug("slug", body.slug, 100),
        description: errors.text("description", body.description, 5000),
        is_active: body.is_active,
    };
    errors.into_result()?;
    let (now, actor) = (state.now(), caller.sub);
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<WorkspaceRow, ApiError> {
                let row = service::change(conn, row.id, &changes, now).await?;
                audit(conn, actor, "workspace.updated", &row, now).await?;
                Ok(row)
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(HttpResponse::Ok().json(WorkspaceResponse::from(row)))
}

/// Deletes a workspace; admins only.
#[utoipa::path(delete, path = "/api/auth/workspaces/{id}/", tag = "organizations", operation_id = "delete_workspace",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 403), (status = 404)))]
pub async fn delete_workspace(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let row = administered(&state, &caller, *id).await?;
    let (now, actor) = (state.now(), caller.sub);
    state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<(), ApiError> {
                service::delete(conn, &row, now).await?;
                audit(conn, actor, "workspace.deleted", &row, now).await
            },
        )
        .await?;
    state.stack.outbox.wake();
    Ok(HttpResponse::NoContent().finish())
}

async fn administered(
    state: &AppState,
    caller: &Caller,
    number: i64,
) -> Result<WorkspaceRow, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, rights) = visible(&mut conn, caller, number).await?;
    rights.require_admin()?;
    Ok(row)
}

async fn visible(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    number: i64,
) -> Result<(WorkspaceRow, Rights), ApiError> {
    let missing = || ApiError::no_match("auth.object_missing", MODEL);
    let row = store::find_workspace(conn, number)
        .await?
        .ok_or_else(missing)?;
    let rights = Rights::of(conn, caller, row.organization_id, MODEL).await?;
    Ok((row, rights))
}

async fn audit(
    conn: &mut AsyncPgConnection,
    actor: Uuid,
    action: &'static str,
    row: &WorkspaceRow,
    now: DateTime<Utc>,
) -> Result<(), ApiError> {
    let entry = AuditEntry::new(actor, ActorKind::User, action, now)
        .subject("workspace", row.id)
        .organization(Some(row.organization_id))
        .origin(None, service_telemetry::current_request_id());
    service_audit::record(conn, entry).await?;
    Ok(())
}

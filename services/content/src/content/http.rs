//! `/api/contents/` (C01, wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use serde::Deserialize;
use service_http::{ApiError, Json, Limit, Path, Query, paginate};

use super::{
    ContentListItem, ContentResponse, CreateContentRequest, GenerateRequest, GenerateResponse,
    RejectRequest, UpdateContentRequest, approve, create,
    error::ContentError,
    generate,
    model::Status,
    store::{self, ContentFilter},
    update,
};
use crate::{
    AppState,
    actor::Member,
    project::store as project,
    roles::{ApproveContent, CreateContent, EditContent, ReadContent},
    wire,
};

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct ContentQuery {
    project: Option<String>,
    status: Option<String>,
    has_pii: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// Contents of the organisation.
#[utoipa::path(get, path = "/api/contents/", tag = "contents", security(("access" = [])),
    params(("project" = Option<i64>, Query), ("status" = Option<String>, Query), ("has_pii" = Option<bool>, Query),
        ("search" = Option<String>, Query), ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query),
        ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<ContentListItem>)))]
pub(crate) async fn list_contents(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<ContentQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let project_id = match wire::number_filter("project", query.project.as_deref())? {
        Some(number) => {
            let found = project::find_project(&mut conn, member.organization_id, number).await?;
            Some(found.ok_or_else(|| wire::no_choice("project"))?.id)
        }
        None => None,
    };
    let filter = ContentFilter {
        project_id,
        status: wire::choice_filter("status", query.status.as_deref(), Status::NAMES)?,
        has_pii: wire::bool_filter(query.has_pii.as_deref()),
        search: page.search(),
        order: ordering::parse(
            page.ordering.as_deref().unwrap_or_default(),
            &["title", "created_at", "updated_at"],
        ),
        limit: page.limit(),
        offset: page.offset(),
    };
    let (total, items) = store::list_contents(&mut conn, member.organization_id, &filter).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// A new content.
#[utoipa::path(post, path = "/api/contents/", tag = "contents", security(("access" = [])),
    request_body = CreateContentRequest, responses((status = 201, body = ContentResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_content(
    member: Member<CreateContent>,
    body: Json<CreateContentRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Created().json(create::create_content(&state, &member, &body).await?))
}

/// One content.
#[utoipa::path(get, path = "/api/contents/{id}/", tag = "contents", security(("access" = [])), params(("id" = i64, Path)),
    responses((status = 200, body = ContentResponse), (status = 404)))]
pub(crate) async fn show_content(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_content(&mut conn, member.organization_id, *number)
        .await?
        .ok_or(ContentError::NotFound)?;
    Ok(HttpResponse::Ok().json(store::show(&mut conn, row).await?))
}

/// Changes the whole content.
#[utoipa::path(put, path = "/api/contents/{id}/", tag = "contents", security(("access" = [])), params(("id" = i64, Path)),
    request_body = CreateContentRequest, responses((status = 200, body = ContentResponse), (status = 400), (status = 404)))]
pub(crate) async fn replace_content(
    member: Member<EditContent>,
    number: Path<i64>,
    body: Json<CreateContentRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let changes: UpdateContentRequest = body.into_inner().into();
    changes.check()?;
    Ok(HttpResponse::Ok().json(update::update_content(&state, &member, *number, &changes).await?))
}

/// Changes parts of the content; a writer submits an own draft with `{"status": "review"}`.
#[utoipa::path(patch, path = "/api/contents/{id}/", tag = "contents", security(("access" = [])), params(("id" = i64, Path)),
    request_body = UpdateContentRequest,
    responses((status = 200, body = ContentResponse), (status = 400), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn update_content(
    member: Member<CreateContent>,
    number: Path<i64>,
    body: Json<UpdateContentRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Ok().json(update::update_content(&state, &member, *number, &body).await?))
}

/// Deletes the content with its versions.
#[utoipa::path(delete, path = "/api/contents/{id}/", tag = "contents", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 204), (status = 403), (status = 404)))]
pub(crate) async fn delete_content(
    member: Member<EditContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    create::delete_content(&state, &member, *number).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Has the content written by AI; the answer names the job.
#[utoipa::path(post, path = "/api/contents/{id}/generate/", tag = "contents", security(("access" = [])),
    params(("id" = i64, Path)), request_body = GenerateRequest,
    responses((status = 202, body = GenerateResponse), (status = 400), (status = 402), (status = 403), (status = 404),
        (status = 409), (status = 429)))]
pub(crate) async fn generate_content(
    member: Member<CreateContent>,
    number: Path<i64>,
    body: Json<GenerateRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let limit = Limit::per_minute(state.generation.per_minute);
    state
        .stack
        .limiter
        .check(&format!("content:generate:{}", member.user_id), limit)
        .await
        .into_result()?;
    body.check()?;
    Ok(HttpResponse::Accepted()
        .json(generate::generate_content(&state, &member, *number, &body).await?))
}

/// Approves a content in review and makes a version of it.
#[utoipa::path(post, path = "/api/contents/{id}/approve/", tag = "contents", security(("access" = [])),
    params(("id" = i64, Path)),
    responses((status = 200, body = ContentResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn approve_content(
    member: Member<ApproveContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(approve::approve_content(&state, &member, *number).await?))
}

/// Rejects a content in review.
#[utoipa::path(post, path = "/api/contents/{id}/reject/", tag = "contents", security(("access" = [])),
    params(("id" = i64, Path)), request_body = RejectRequest,
    responses((status = 200, body = ContentResponse), (status = 400), (status = 403), (status = 404)))]
pub(crate) async fn reject_content(
    member: Member<ApproveContent>,
    number: Path<i64>,
    body: Json<RejectRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Ok()
        .json(approve::reject_content(&state, &member, *number, &body.reason).await?))
}

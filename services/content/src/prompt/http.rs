//! `/api/prompts/` (C01, wire.md 6.2).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use common_types::{Page, ordering};
use serde::Deserialize;
use service_http::{ApiError, Json, Path, Query, paginate};

use super::{
    CreatePromptRequest, PromptResponse, UpdatePromptRequest,
    error::PromptError,
    model::CATEGORIES,
    service,
    store::{self, PromptFilter},
};
use crate::{
    AppState,
    actor::Member,
    directory::store as directory,
    roles::{CreateContent, EditContent, ReadContent},
    wire,
};

/// Filters of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct PromptQuery {
    workspace: Option<String>,
    category: Option<String>,
    is_public: Option<String>,
    #[serde(flatten)]
    page: wire::PageFields,
}

/// Prompts of the organisation.
#[utoipa::path(get, path = "/api/prompts/", tag = "prompts", security(("access" = [])),
    params(("workspace" = Option<i64>, Query), ("category" = Option<String>, Query), ("is_public" = Option<bool>, Query), ("search" = Option<String>, Query),
        ("ordering" = Option<String>, Query), ("page" = Option<i64>, Query), ("page_size" = Option<i64>, Query)),
    responses((status = 200, body = Page<PromptResponse>)))]
pub(crate) async fn list_prompts(
    request: HttpRequest,
    member: Member<ReadContent>,
    query: Query<PromptQuery>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let page = query.page.parse()?;
    let mut conn = state.stack.db.get().await?;
    let workspace_id = match wire::number_filter("workspace", query.workspace.as_deref())? {
        Some(number) => {
            let found =
                directory::find_workspace(&mut conn, member.organization_id, number).await?;
            Some(found.ok_or_else(|| wire::no_choice("workspace"))?.id)
        }
        None => None,
    };
    let filter = PromptFilter {
        workspace_id,
        category: wire::choice_filter("category", query.category.as_deref(), CATEGORIES)?,
        is_public: wire::bool_filter(query.is_public.as_deref()),
        search: page.search(),
        order: ordering::parse(
            page.ordering.as_deref().unwrap_or_default(),
            &["title", "usage_count", "created_at"],
        ),
        limit: page.limit(),
        offset: page.offset(),
    };
    let (total, rows) = store::list_prompts(&mut conn, member.organization_id, &filter).await?;
    let items = store::show(&mut conn, rows).await?;
    Ok(HttpResponse::Ok().json(paginate(&request, &page, total, items)?))
}

/// A new prompt.
#[utoipa::path(post, path = "/api/prompts/", tag = "prompts", security(("access" = [])),
    request_body = CreatePromptRequest, responses((status = 201, body = PromptResponse), (status = 400), (status = 403)))]
pub(crate) async fn create_prompt(
    member: Member<CreateContent>,
    body: Json<CreatePromptRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Created().json(service::create_prompt(&state, &member, &body).await?))
}

/// One prompt.
#[utoipa::path(get, path = "/api/prompts/{id}/", tag = "prompts", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 200, body = PromptResponse), (status = 404)))]
pub(crate) async fn show_prompt(
    member: Member<ReadContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let row = store::find_prompt(&mut conn, member.organization_id, *number)
        .await?
        .ok_or(PromptError::NotFound)?;
    let shown = store::show(&mut conn, vec![row])
        .await?
        .pop()
        .ok_or(PromptError::NotFound)?;
    Ok(HttpResponse::Ok().json(shown))
}

/// Changes the whole prompt.
#[utoipa::path(put, path = "/api/prompts/{id}/", tag = "prompts", security(("access" = [])), params(("id" = i64, Path)),
    request_body = CreatePromptRequest, responses((status = 200, body = PromptResponse), (status = 400), (status = 404)))]
pub(crate) async fn replace_prompt(
    member: Member<EditContent>,
    number: Path<i64>,
    body: Json<CreatePromptRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    let changes = body.into_inner().into();
    Ok(HttpResponse::Ok().json(service::update_prompt(&state, &member, *number, &changes).await?))
}

/// Changes parts of the prompt.
#[utoipa::path(patch, path = "/api/prompts/{id}/", tag = "prompts", security(("access" = [])), params(("id" = i64, Path)),
    request_body = UpdatePromptRequest, responses((status = 200, body = PromptResponse), (status = 400), (status = 404)))]
pub(crate) async fn update_prompt(
    member: Member<EditContent>,
    number: Path<i64>,
    body: Json<UpdatePromptRequest>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    body.check()?;
    Ok(HttpResponse::Ok().json(service::update_prompt(&state, &member, *number, &body).await?))
}

/// Deletes a prompt; contents made from it stay.
#[utoipa::path(delete, path = "/api/prompts/{id}/", tag = "prompts", security(("access" = [])),
    params(("id" = i64, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn delete_prompt(
    member: Member<EditContent>,
    number: Path<i64>,
    state: Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    service::delete_prompt(&state, &member, *number).await?;
    Ok(HttpResponse::NoContent().finish())
}

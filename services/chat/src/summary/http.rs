//! Handlers of summaries. Only members of the room call them.

use actix_web::{HttpResponse, web::Data};
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query};
use uuid::Uuid;

use super::{CreateSummaryRequest, SummaryJobResponse, SummaryResponse, service};
use crate::AppState;

/// Asks for a summary of the room's last messages; the worker makes it.
#[utoipa::path(
    post, path = "/api/chat/chatrooms/{room}/summarize/", params(("room" = i64, Path)), request_body = CreateSummaryRequest,
    responses((status = 202, body = SummaryJobResponse), (status = 404, description = "Not a member"), (status = 422, description = "No messages yet"))
)]
pub(crate) async fn create_summary_job(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
    request: Json<CreateSummaryRequest>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Accepted()
        .json(service::request_summary(&state, &caller, *room, &request).await?))
}

/// How far a summary is.
#[utoipa::path(
    get, path = "/api/chat/summary-jobs/{job}/", params(("job" = Uuid, Path)),
    responses((status = 200, body = SummaryJobResponse), (status = 404, description = "Not a member"))
)]
pub(crate) async fn show_summary_job(
    state: Data<AppState>,
    caller: Caller,
    job: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(service::show_job(&state, &caller, *job).await?))
}

/// Summaries of a room, newest first.
#[utoipa::path(
    get, path = "/api/chat/chatrooms/{room}/summaries/", params(("room" = i64, Path)),
    responses((status = 200, body = Vec<SummaryResponse>), (status = 404, description = "Not a member"))
)]
pub(crate) async fn list_summaries(
    state: Data<AppState>,
    caller: Caller,
    room: Path<i64>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok()
        .json(service::list_summaries(&state, &caller, *room, query.limit()).await?))
}

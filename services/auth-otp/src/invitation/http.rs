//! `/api/auth/invitations/`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use service_http::{ApiError, Caller, Json, PageQuery, Path, Query, SensitiveCaller, paginate};
use uuid::Uuid;

use super::dto::{InvitationFilter, InvitationRequest, InvitationResponse};
use super::store::{self, InvitationQuery};
use super::{answer, manage};
use crate::organization::filter;
use crate::state::AppState;

/// States as they are shown.
struct State;

impl std::str::FromStr for State {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "pending" | "accepted" | "declined" | "revoked" | "expired" => Ok(Self),
            _ => Err(()),
        }
    }
}

/// Invitations of the organisations that the caller administers, the newest first.
#[utoipa::path(get, path = "/api/auth/invitations/", tag = "invitations", operation_id = "list_invitations",
    responses((status = 200, description = "A page of invitations"), (status = 400)))]
pub async fn list_invitations(
    state: web::Data<AppState>,
    caller: Caller,
    request: HttpRequest,
    page: Query<PageQuery>,
    wanted: Query<InvitationFilter>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let organization =
        filter::organization(&mut conn, &caller, wanted.organization.as_deref()).await?;
    let query = InvitationQuery {
        seen_by: (!caller.superuser).then_some(caller.sub),
        organization,
        state: filter::choice::<State>("state", wanted.state.as_deref())?,
        search: page.search(),
        ordering: page.ordering.as_deref().unwrap_or_default(),
        offset: page.offset(),
        limit: page.limit(),
    };
    let now = state.now();
    let (count, rows) = store::list_invitations(&mut conn, &query, now).await?;
    let shown = rows
        .into_iter()
        .map(|row| InvitationResponse::new(row, now))
        .collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Invites a phone; admins only, into clinic roles clinic admins only. A text message goes out in the background;
/// `delivery` says what became of it.
#[utoipa::path(post, path = "/api/auth/invitations/", tag = "invitations", operation_id = "create_invitation",
    request_body = InvitationRequest,
    responses((status = 201, body = InvitationResponse), (status = 400), (status = 403), (status = 409), (status = 429)))]
pub async fn create_invitation(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    body: Json<InvitationRequest>,
) -> Result<HttpResponse, ApiError> {
    let row = manage::invite(&state, &caller, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(InvitationResponse::new(row, state.now())))
}

/// One invitation of an organisation that the caller administers.
#[utoipa::path(get, path = "/api/auth/invitations/{id}/", tag = "invitations", operation_id = "get_invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 200, body = InvitationResponse), (status = 403), (status = 404)))]
pub async fn get_invitation(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = manage::administered(&mut conn, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(InvitationResponse::new(row, state.now())))
}

/// Sends the text message again; the invitation's time starts anew.
#[utoipa::path(post, path = "/api/auth/invitations/{id}/resend/", tag = "invitations", operation_id = "resend_invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 200, body = InvitationResponse), (status = 403), (status = 404), (status = 409), (status = 429)))]
pub async fn resend_invitation(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let row = manage::resend(&state, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(InvitationResponse::new(row, state.now())))
}

/// Takes a waiting invitation back.
#[utoipa::path(post, path = "/api/auth/invitations/{id}/revoke/", tag = "invitations", operation_id = "revoke_invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 200, body = InvitationResponse), (status = 403), (status = 404), (status = 409)))]
pub async fn revoke_invitation(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let row = manage::revoke(&state, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(InvitationResponse::new(row, state.now())))
}

/// Living invitations to the phone that this session's login code proved; none for a session opened otherwise.
#[utoipa::path(get, path = "/api/auth/invitations/mine/", tag = "invitations", operation_id = "list_own_invitations",
    responses((status = 200, description = "`results`: invitations")))]
pub async fn list_own_invitations(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let rows = answer::mine(&state, &caller).await?;
    let shown: Vec<InvitationResponse> = rows
        .into_iter()
        .map(|row| InvitationResponse::new(row, now))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"count": shown.len(), "results": shown})))
}

/// Accepts an invitation to the phone that this session's login code proved. Refresh the token afterwards.
#[utoipa::path(post, path = "/api/auth/invitations/{id}/accept/", tag = "invitations", operation_id = "accept_invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 200, body = InvitationResponse), (status = 403), (status = 404), (status = 409)))]
pub async fn accept_invitation(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let row = answer::accept(&state, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(InvitationResponse::new(row, state.now())))
}

/// Declines an invitation to the phone that this session's login code proved.
#[utoipa::path(post, path = "/api/auth/invitations/{id}/decline/", tag = "invitations", operation_id = "decline_invitation",
    params(("id" = Uuid, Path, description = "The invitation")),
    responses((status = 200, body = InvitationResponse), (status = 403), (status = 404), (status = 409)))]
pub async fn decline_invitation(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let row = answer::decline(&state, &caller, *id).await?;
    Ok(HttpResponse::Ok().json(InvitationResponse::new(row, state.now())))
}

//! `/api/integrations/event-types/…`: the platform's types, and those that an organisation sends itself.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use service_http::{Allowed, ApiError, ClinicAdmin, Json, Lang, PageQuery, Path, Query, paginate};
use utoipa::ToSchema;

use super::{event_type::EVENT_TYPES, event_type_store, publish, service::owner_of};
use crate::{AppState, actor::Actor};

/// A type that an endpoint can subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EventTypeResponse {
    /// Dotted name.
    name: String,
    /// What it tells.
    description: String,
    /// Whether it is the organisation's own and sent by it; else the platform sends it.
    custom: bool,
}

/// The types that an endpoint can subscribe to, by name.
#[utoipa::path(get, path = "/api/integrations/event-types/", tag = "outgoing webhooks",
    params(("search" = Option<String>, Query), ("page" = Option<i64>, Query)),
    responses((status = 200, body = Vec<EventTypeResponse>), (status = 403)))]
pub(crate) async fn list_event_types(
    request: HttpRequest,
    caller: Allowed<ClinicAdmin>,
    page: Query<PageQuery>,
    Lang(language): Lang,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let own = event_type_store::list_event_types(&mut conn, owner_of(&caller)?).await?;
    let platform = EVENT_TYPES.iter().map(|kind| {
        let description = kind.description().in_language(language).to_owned();
        (kind.name.to_owned(), description, false)
    });
    let own = own
        .into_iter()
        .map(|(name, description)| (name, description, true));
    let mut found: Vec<EventTypeResponse> = platform
        .chain(own)
        .filter(|(name, ..)| page.search().is_none_or(|text| name.contains(text)))
        .map(|(name, description, custom)| EventTypeResponse {
            name,
            description,
            custom,
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let count = i64::try_from(found.len()).map_err(ApiError::internal)?;
    let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit()).unwrap_or(0);
    let shown = found.into_iter().skip(skip).take(take).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// A type of the organisation's own.
#[derive(Deserialize, ToSchema)]
pub(crate) struct EventTypeRequest {
    /// Lower-case words joined by dots, at most 128 characters, outside the families of the platform.
    #[serde(default)]
    name: Option<String>,
    /// At most 500 characters.
    #[serde(default)]
    description: String,
}

/// Makes a type that the organisation sends itself with `messages/`.
#[utoipa::path(post, path = "/api/integrations/event-types/", tag = "outgoing webhooks", request_body = EventTypeRequest,
    responses((status = 201, body = EventTypeResponse), (status = 400), (status = 403), (status = 409)))]
pub(crate) async fn create_event_type(
    actor: Actor,
    body: Json<EventTypeRequest>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let (name, description) =
        publish::create_event_type(&state, &actor, body.name, body.description).await?;
    Ok(HttpResponse::Created().json(EventTypeResponse {
        name,
        description,
        custom: true,
    }))
}

/// Removes a type of the organisation's own that no endpoint names.
#[utoipa::path(delete, path = "/api/integrations/event-types/{name}/", tag = "outgoing webhooks",
    params(("name" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 409)))]
pub(crate) async fn delete_event_type(
    actor: Actor,
    name: Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    publish::delete_event_type(&state, &actor, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! `/api/v1/organizations`: plain arrays, the one the pages work in first.

use actix_web::{HttpResponse, web};
use service_http::{ApiError, Caller, Json, Path, SensitiveCaller};
use uuid::Uuid;

use super::envelope;
use crate::organization::dto::{OrganizationRequest, OrganizationResponse};
use crate::organization::{actions, store};
use crate::state::AppState;

/// More organisations than one person ever belongs to.
const MOST: i64 = 500;

/// The caller's open organisations, at most 500.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "contexor pages", operation_id = "v1_list_organizations",
    responses((status = 200, body = Vec<OrganizationResponse>), (status = 401)))]
pub async fn list_organizations(
    state: web::Data<AppState>,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let rows = store::list_own_organizations(&mut conn, caller.sub, MOST).await?;
    Ok(envelope::ok(actions::show_all(&mut conn, rows).await?))
}

/// Makes an organisation; the caller becomes its content admin. An absent or empty slug is made up.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "contexor pages", operation_id = "v1_create_organization",
    request_body = OrganizationRequest, responses((status = 201, body = OrganizationResponse), (status = 400), (status = 401)))]
pub async fn create_organization(
    state: web::Data<AppState>,
    caller: Caller,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let mut body = body.into_inner();
    body.slug = Some(slug(body.slug, body.name.as_deref()));
    Ok(envelope::created(
        actions::create(&state, &caller, body).await?,
    ))
}

/// One of the caller's organisations.
#[utoipa::path(get, path = "/api/v1/organizations/{id}", tag = "contexor pages", operation_id = "v1_get_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 200, body = OrganizationResponse), (status = 401), (status = 404)))]
pub async fn get_organization(
    state: web::Data<AppState>,
    caller: Caller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (row, _) = actions::visible(&mut conn, &caller, *id).await?;
    Ok(envelope::ok(actions::show(&mut conn, row).await?))
}

/// Changes an organisation; its admins only.
#[utoipa::path(patch, path = "/api/v1/organizations/{id}", tag = "contexor pages", operation_id = "v1_update_organization",
    params(("id" = i64, Path, description = "The number")), request_body = OrganizationRequest,
    responses((status = 200, body = OrganizationResponse), (status = 400), (status = 401), (status = 403), (status = 404)))]
pub async fn update_organization(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
    body: Json<OrganizationRequest>,
) -> Result<HttpResponse, ApiError> {
    let changed = actions::update(&state, &caller, *id, body.into_inner()).await?;
    Ok(envelope::ok(changed))
}

/// Closes an organisation; its admins only.
#[utoipa::path(delete, path = "/api/v1/organizations/{id}", tag = "contexor pages", operation_id = "v1_delete_organization",
    params(("id" = i64, Path, description = "The number")), responses((status = 204), (status = 401), (status = 403), (status = 404)))]
pub async fn delete_organization(
    state: web::Data<AppState>,
    caller: SensitiveCaller,
    id: Path<i64>,
) -> Result<HttpResponse, ApiError> {
    actions::close(&state, &caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The slug as given; for an empty one (a Persian name yields none in the pages) the name's Latin letters, if any, and
/// a random end.
pub(super) fn slug(given: Option<String>, name: Option<&str>) -> String {
    if let Some(slug) = given.filter(|slug| !slug.trim().is_empty()) {
        return slug;
    }
    let mut words = String::new();
    for c in name.unwrap_or_default().chars().take(60) {
        if c.is_ascii_alphanumeric() {
            words.push(c.to_ascii_lowercase());
        } else if !words.is_empty() && !words.ends_with('-') {
            words.push('-');
        }
    }
    let random = Uuid::new_v4().simple().to_string();
    let words = words.trim_matches('-');
    let words = if words.is_empty() { "org" } else { words };
    format!("{words}-{}", &random[..8])
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_kept_or_made_up() {
        assert_eq!(slug(Some("given".into()), Some("x")), "given");
        assert!(slug(Some(String::new()), Some("کلینیک")).starts_with("org-"));
        assert!(slug(None, Some("My  Clinic!")).starts_with("my-clinic-"));
        assert_ne!(slug(None, None), slug(None, None));
    }
}

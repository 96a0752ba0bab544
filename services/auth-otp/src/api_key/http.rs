//! `POST /internal/api-keys/introspect`.

use actix_web::{HttpResponse, web};
use common_types::internal::auth::{ApiKeyInfo, IntrospectRequest};
use service_http::{ApiError, Json, ServiceCaller};

use super::{hash, store};
use crate::state::AppState;

/// Whether a key is active, whose it is and what it may do.
#[utoipa::path(post, path = "/internal/api-keys/introspect", tag = "internal", operation_id = "introspect_api_key",
    request_body(content = serde_json::Value),
    responses((status = 200, description = "`active` and, when true, the key's owner and scopes")))]
pub async fn introspect_api_key(
    state: web::Data<AppState>,
    _caller: ServiceCaller,
    body: Json<IntrospectRequest>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let Some(key) = store::find_active(&mut conn, &hash(&body.key), now).await? else {
        let unknown = ApiKeyInfo {
            active: false,
            id: None,
            name: None,
            scopes: Vec::new(),
            organization_id: None,
        };
        return Ok(HttpResponse::Ok().json(unknown));
    };
    store::update_last_used(&mut conn, key.id, now).await?;
    Ok(HttpResponse::Ok().json(ApiKeyInfo {
        active: true,
        id: Some(key.id),
        name: Some(key.name),
        scopes: key.scopes,
        organization_id: key.organization_id,
    }))
}

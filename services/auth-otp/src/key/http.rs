//! `GET /.well-known/jwks.json`.

use actix_web::{HttpResponse, http::header, web};
use service_http::ApiError;

use crate::state::AppState;

/// The published keys (RFC 7517). May be cached for a minute.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", operation_id = "get_jwks",
    responses((status = 200, description = "The public signing keys (RFC 7517)")))]
pub async fn get_jwks(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let keys = state.keys.get().await.map_err(|error| {
        ApiError::unavailable(
            "auth.keys_unavailable",
            "The signing keys are not available.",
        )
        .retry_after(2)
        .caused_by(anyhow::Error::new(error))
    })?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "public, max-age=60"));
    Ok(response.json(keys.jwks()))
}

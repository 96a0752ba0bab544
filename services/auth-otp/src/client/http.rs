//! `POST /api/auth/oauth/token/`.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common_types::internal::auth::ServiceTokenResponse;
use serde_json::json;
use service_auth::tokens::{ct_eq, sha256_hex};
use service_http::{ApiError, ClientIp, Limit};

use super::{SCOPE, sign_token};
use crate::session::http::no_store;
use crate::state::AppState;

/// Client id and secret as they came.
#[derive(Default)]
struct Credentials {
    id: String,
    secret: String,
}

/// Grants a service token to a client that proves its secret in the form or by HTTP Basic.
#[utoipa::path(post, path = "/api/auth/oauth/token/", tag = "clients", operation_id = "create_service_token",
    request_body(content = serde_json::Value, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "RFC 6749 5.1"), (status = 400, description = "RFC 6749 5.2"), (status = 401, description = "`invalid_client`")))]
pub async fn create_service_token(
    state: web::Data<AppState>,
    ClientIp(ip): ClientIp,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, ApiError> {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    match field("grant_type") {
        None => return Err(refuse("invalid_request", "grant_type is required")),
        Some("client_credentials") => {}
        Some(_) => {
            return Err(refuse(
                "unsupported_grant_type",
                "only client_credentials is supported",
            ));
        }
    }
    let given = basic(&request).unwrap_or_else(|| Credentials {
        id: field("client_id").unwrap_or_default().to_owned(),
        secret: field("client_secret").unwrap_or_default().to_owned(),
    });
    if !proves(&state, &given) {
        let key = format!("oauth:{ip}");
        let limit = Limit::per_minute(state.settings.budgets.ip_logins_per_minute);
        state
            .stack
            .limiter
            .check(&key, limit.widened(state.settings.budget_factor()))
            .await
            .into_result()?;
        metrics::counter!("auth_client_refused_total").increment(1);
        return Err(
            ApiError::unauthorized("auth.invalid_client", "The client is not known.")
                .header("WWW-Authenticate", "Basic realm=\"oauth\"")
                .bare(json!({"error": "invalid_client"})),
        );
    }
    let token = sign_token(
        &state.keys,
        &state.settings,
        &given.id.replace('_', "-"),
        state.now(),
    )
    .await?;
    Ok(no_store().json(ServiceTokenResponse {
        access_token: token,
        token_type: "Bearer".to_owned(),
        expires_in: state.settings.tokens.service_lifetime_seconds,
        scope: SCOPE.to_owned(),
    }))
}

/// Hashes are compared, so that neither length nor content of the secret shows in time.
fn proves(state: &AppState, given: &Credentials) -> bool {
    let known = state.settings.client_secret(&given.id);
    let expected = sha256_hex(known.map_or("", |secret| secret.expose()).as_bytes());
    ct_eq(
        expected.as_bytes(),
        sha256_hex(given.secret.as_bytes()).as_bytes(),
    ) && known.is_some()
}

fn basic(request: &HttpRequest) -> Option<Credentials> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some(Credentials {
        id: id.to_owned(),
        secret: secret.to_owned(),
    })
}

fn refuse(error: &'static str, description: &'static str) -> ApiError {
    ApiError::bad_request("auth.invalid_grant_request", description)
        .bare(json!({"error": error, "error_description": description}))
}

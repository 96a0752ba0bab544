//! Service clients: the OAuth 2.0 client-credentials grant (RFC 6749 4.4), the only way to a service token.

pub mod http;

use chrono::{DateTime, Utc};
use common_types::ServiceClaims;
use common_types::claims::INTERNAL_AUDIENCE;
use uuid::Uuid;

use crate::key::KeyRing;
use crate::settings::Settings;

/// The scope of every service client.
pub const SCOPE: &str = "internal";

/// A service token of this client.
///
/// # Errors
/// When there is no key to sign with.
pub async fn sign_token(
    keys: &KeyRing,
    settings: &Settings,
    client: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<String> {
    let issued = now.timestamp();
    let claims = ServiceClaims {
        iss: settings.auth.issuer.clone(),
        aud: INTERNAL_AUDIENCE.to_owned(),
        sub: format!("service:{client}"),
        exp: issued + settings.tokens.service_lifetime_seconds,
        iat: issued,
        nbf: issued,
        jti: Uuid::now_v7(),
        token_type: "service".to_owned(),
        scope: SCOPE.to_owned(),
    };
    Ok(keys.get().await?.signer().sign_service(&claims)?)
}

//! What the three kinds of tokens say. Signing and verifying live in `service-auth`.

use crate::{ClinicRole, ContentRole, Language};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Audience of access tokens.
pub const ACCESS_AUDIENCE: &str = "tabib";
/// Audience of service tokens.
pub const INTERNAL_AUDIENCE: &str = "internal";
/// Audience of portal sessions.
pub const PORTAL_AUDIENCE: &str = "portal";

/// A person's access token: 15 minutes, ES256, issued by auth-otp.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: auth-otp's configured name.
    pub iss: String,
    /// Audience: always [`ACCESS_AUDIENCE`].
    pub aud: String,
    /// The user's id.
    pub sub: Uuid,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Issue time, seconds since the epoch.
    pub iat: i64,
    /// Not valid before, seconds since the epoch.
    pub nbf: i64,
    /// This token's id.
    pub jti: Uuid,
    /// The session (refresh family) it belongs to; revoking that kills the token.
    pub sid: Uuid,
    /// Always `"access"`.
    pub token_type: String,
    /// The user's bigint number as text, as SimpleJWT 5.5 clients expect it.
    pub user_id: String,
    /// The organisation the session works in.
    pub org: Option<Uuid>,
    /// Clinic role in `org`.
    pub clinic_role: Option<ClinicRole>,
    /// Content role in `org`.
    pub content_role: Option<ContentRole>,
    /// Platform-wide superuser.
    pub superuser: bool,
    /// The group tag asked for at login (0 when none); never a permission.
    pub group: i32,
    /// The user's language.
    pub lang: Language,
    /// The user's full name; may be empty.
    pub name: String,
    /// When the person last proved themselves anew in this session (a code, a second factor), seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped_up_at: Option<i64>,
}

/// How long a proof opens sensitive actions, in seconds (Q-A8).
pub const STEP_UP_SECONDS: i64 = 300;

impl AccessClaims {
    /// The user's bigint number, or 0 when the claim is no number.
    #[must_use]
    pub fn user_number(&self) -> i64 {
        self.user_id.parse().unwrap_or(0)
    }

    /// True when the person proved themselves within [`STEP_UP_SECONDS`] before `now` (seconds since the epoch).
    #[must_use]
    pub fn is_stepped_up(&self, now: i64) -> bool {
        self.stepped_up_at
            .is_some_and(|at| at <= now + 60 && now - at <= STEP_UP_SECONDS)
    }
}

impl fmt::Debug for AccessClaims {
    /// Without the name, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessClaims")
            .field("sub", &self.sub)
            .field("sid", &self.sid)
            .field("org", &self.org)
            .field("clinic_role", &self.clinic_role)
            .field("content_role", &self.content_role)
            .field("superuser", &self.superuser)
            .field("exp", &self.exp)
            .finish_non_exhaustive()
    }
}

/// A service's token for `/internal/**`, from the client-credentials grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceClaims {
    /// Issuer: auth-otp's configured name.
    pub iss: String,
    /// Audience: always [`INTERNAL_AUDIENCE`].
    pub aud: String,
    /// `service:<name>`.
    pub sub: String,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Issue time, seconds since the epoch.
    pub iat: i64,
    /// Not valid before, seconds since the epoch.
    pub nbf: i64,
    /// This token's id.
    pub jti: Uuid,
    /// Always `"service"`.
    pub token_type: String,
    /// Space-separated scopes.
    pub scope: String,
}

impl ServiceClaims {
    /// The service's name, without the `service:` prefix.
    #[must_use]
    pub fn service(&self) -> &str {
        self.sub.strip_prefix("service:").unwrap_or(&self.sub)
    }

    /// True when `scope` is among the token's scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|s| s == scope)
    }
}

/// A patient's portal session, issued by portal under its own key; 12 hours at most, idleness lives in portal's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortalClaims {
    /// Issuer: portal's configured name.
    pub iss: String,
    /// Audience: always [`PORTAL_AUDIENCE`].
    pub aud: String,
    /// The patient's id.
    pub sub: Uuid,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Issue time, seconds since the epoch.
    pub iat: i64,
    /// Not valid before, seconds since the epoch.
    pub nbf: i64,
    /// This token's id.
    pub jti: Uuid,
    /// The portal session's id.
    pub sid: Uuid,
    /// Always `"portal"`.
    pub token_type: String,
    /// The organisation whose patient this is.
    pub org: Uuid,
    /// The key set that was used to log in.
    pub access_id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_service_names() {
        let claims = ServiceClaims {
            iss: "tabib".into(),
            aud: INTERNAL_AUDIENCE.into(),
            sub: "service:portal".into(),
            exp: 2,
            iat: 1,
            nbf: 1,
            jti: Uuid::nil(),
            token_type: "service".into(),
            scope: "messages.send codes".into(),
        };
        assert_eq!(claims.service(), "portal");
        assert!(claims.has_scope("codes"));
        assert!(!claims.has_scope("code"));
    }
}

//! What the routes of the second factor take and give.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the caller's second factor stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactorStatus {
    /// An authenticator is bound and asked for at each login.
    pub enabled: bool,
    /// The caller's roles count only in sessions that proved a second factor.
    pub required: bool,
    /// Recovery codes that are left.
    pub recovery_codes_left: i64,
}

/// A new authenticator; shown this once.
#[derive(Serialize, ToSchema)]
pub struct EnrolResponse {
    /// For typing in: base32.
    pub secret: String,
    /// For a QR code: `otpauth://totp/…`.
    pub otpauth_url: String,
}

/// A code of the authenticator.
#[derive(Deserialize, ToSchema)]
pub struct FactorCode {
    /// Six digits of any script.
    pub code: Option<String>,
}

/// The factor is on; the recovery codes are shown this once.
#[derive(Serialize, ToSchema)]
pub struct ConfirmResponse {
    /// Ten codes, each good for one login without the application.
    pub recovery_codes: Vec<String>,
    /// An access token that carries what the second factor opens.
    pub access: String,
}

/// New recovery codes; shown this once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes; the earlier ones no longer count.
    pub recovery_codes: Vec<String>,
}

/// The answer to a login's question for the second factor.
#[derive(Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// `challenge` of the login's answer.
    pub challenge: Option<String>,
    /// Six digits, or a recovery code.
    pub code: Option<String>,
}

/// Somebody is in.
#[derive(Serialize, ToSchema)]
pub struct VerifyResponse {
    /// The access token.
    pub access: String,
    /// The refresh token; absent when it travels in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Who.
    pub user: crate::user::dto::BriefUser,
}

//! Internal API of auth-otp: revocations, API keys, one-time codes, users.

use crate::{Language, PhoneNumber, events::auth::RevocationKind};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};
use uuid::Uuid;

/// One revocation of `GET /internal/revocations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// What `id` names.
    pub kind: RevocationKind,
    /// Session id or user id.
    pub id: Uuid,
    /// Tokens issued before this (seconds since the epoch) are dead.
    pub not_before: i64,
    /// After this the revocation may be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// Answer of `GET /internal/revocations?since=`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationFeed {
    /// Pass it as `since` next time.
    pub cursor: i64,
    /// Every live revocation after `since`.
    pub revocations: Vec<Revocation>,
}

/// Body of `POST /internal/api-keys/introspect`.
#[derive(Clone, Serialize, Deserialize)]
pub struct IntrospectRequest {
    /// The key as the partner sent it.
    pub key: String,
}

impl fmt::Debug for IntrospectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectRequest(***)")
    }
}

/// Answer of `POST /internal/api-keys/introspect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyInfo {
    /// False for unknown, expired and revoked keys; the other members are then empty.
    pub active: bool,
    /// The key's id.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// The partner's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What the key may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The organisation the key is bound to.
    #[serde(default)]
    pub organization_id: Option<Uuid>,
}

/// Body of `POST /internal/codes/`: send a one-time code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendCodeRequest {
    /// The purpose profile, such as `patient_access`.
    pub purpose: String,
    /// Who gets the code.
    pub phone: PhoneNumber,
    /// What the code is bound to; verifying needs the same text.
    pub binding: String,
    /// The message's language.
    pub language: Language,
    /// Values for the message's template, such as the doctor's name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The organisation that asks; its budgets count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<Uuid>,
}

/// Answer 201 of `POST /internal/codes/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendCodeResponse {
    /// Names the code when verifying.
    pub challenge_id: Uuid,
    /// When the code dies.
    pub expires_at: DateTime<Utc>,
    /// Seconds until another may be asked for.
    pub cooldown_seconds: i64,
}

/// Body 429 of `POST /internal/codes/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeTooSoon {
    /// Seconds to wait.
    pub retry_after: i64,
}

/// Body of `POST /internal/codes/{id}/verify/`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyCodeRequest {
    /// Who got the code.
    pub phone: PhoneNumber,
    /// The text the code was bound to.
    pub binding: String,
    /// The code as the person typed it, digits in ASCII.
    pub code: String,
}

impl fmt::Debug for VerifyCodeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyCodeRequest")
            .field("phone", &self.phone)
            .finish_non_exhaustive()
    }
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeOutcome {
    /// The code was right and is spent now.
    Verified,
    /// The code was wrong; attempts are left.
    Wrong,
    /// The code is too old.
    Expired,
    /// Too many wrong attempts; even the right code is refused.
    Burned,
    /// No such challenge for this phone and binding, or already spent.
    Unknown,
}

/// Answer of `POST /internal/codes/{id}/verify/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyCodeResponse {
    /// How it ended.
    pub outcome: CodeOutcome,
    /// Attempts left after this one.
    pub attempts_left: i32,
}

/// Answer of `GET /internal/users/{id}` and `GET /internal/users/by-phone/{e164}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The user.
    pub id: Uuid,
    /// The user's bigint number.
    pub number: i64,
    /// Verified phone.
    pub phone: Option<PhoneNumber>,
    /// Full name; may be empty.
    pub full_name: String,
    /// The user's language.
    pub language: Language,
    /// The only or first organisation.
    #[serde(default)]
    pub organization_id: Option<Uuid>,
    /// Until when payouts to this person wait, because their phone became another one (Q-A8); null when they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payouts_held_until: Option<DateTime<Utc>>,
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfo")
            .field("id", &self.id)
            .field("phone", &self.phone)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /api/auth/oauth/token/` (RFC 6749 5.1).
#[derive(Clone, Serialize, Deserialize)]
pub struct ServiceTokenResponse {
    /// The token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// The scopes granted.
    #[serde(default)]
    pub scope: String,
}

impl fmt::Debug for ServiceTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokenResponse")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

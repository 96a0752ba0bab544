//! `[tokens]`, `[keys]` and `[api_keys]`.

use serde::Deserialize;
use service_config::Secret;

/// Lifetimes in seconds and the key of refresh tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Access tokens (A09).
    pub access_lifetime_seconds: i64,
    /// A rotating session, absolutely (A09, Q-A5).
    pub refresh_lifetime_seconds: i64,
    /// A stable session, absolutely (wire.md 9.2).
    pub stable_lifetime_seconds: i64,
    /// Service tokens.
    pub service_lifetime_seconds: i64,
    /// A spent refresh token brings the same successor for this long.
    pub rotation_window_seconds: i64,
    /// HMAC key of refresh tokens.
    pub refresh_key: Secret,
}

/// Rotation of the signing keys, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySettings {
    /// A key this old is replaced; 0 for by hand only.
    pub rotate_after_seconds: i64,
    /// A new key is published this long before it signs.
    pub publish_ahead_seconds: i64,
    /// A replaced key stays published this long.
    pub overlap_seconds: i64,
}

/// Keys of partner systems.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeySettings {
    /// What a clinic's admin may give to a key of the clinic.
    pub clinic_scopes: Vec<String>,
    /// What only a superuser may give: it reaches every clinic's data.
    pub platform_scopes: Vec<String>,
    /// The longest time the old key counts beside the new one, in seconds.
    pub max_overlap_seconds: i64,
}

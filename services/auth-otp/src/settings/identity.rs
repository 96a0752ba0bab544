//! `[password]`, `[second_factor]`, `[recovery]` and `[phone_change]`.

use serde::Deserialize;

/// How people log in beside staff (`DJANGO_CHELSERU.AUTH.AUTH_METHOD`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum AuthMethod {
    /// By one-time code.
    #[serde(rename = "OTP")]
    Otp,
    /// By one-time code, and by password at `/api/register/` and `/api/login/`.
    #[serde(rename = "PASSWD")]
    Passwd,
}

/// Passwords.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// Whether `/api/register/` and `/api/login/` are there.
    pub auth_method: AuthMethod,
    /// Weaker passwords are refused: zxcvbn's score, 1 to 4.
    pub min_score: u8,
}

/// Where admins and doctors need a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactorRule {
    /// Wherever this runs.
    Always,
    /// With `environment = production` only.
    Production,
    /// Nowhere.
    Never,
}

/// The second factor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorSettings {
    /// Where admins, doctors and superusers need one.
    pub required: FactorRule,
    /// The platform's name in the application.
    pub issuer: String,
    /// Wrong codes in a row before the factor rests.
    pub attempts: i32,
    /// For how long, in seconds.
    pub rest_seconds: i64,
    /// How long a login waits for its second factor, in seconds.
    pub challenge_seconds: i64,
}

/// Recovery by an admin's code.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverySettings {
    /// How long a code counts, in seconds.
    pub lifetime_seconds: i64,
}

/// Another phone for an account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneSettings {
    /// Payouts wait this long after a change, in seconds.
    pub payout_hold_seconds: i64,
}

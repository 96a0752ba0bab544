//! The second factor: an authenticator application (TOTP, RFC 6238) and ten recovery codes.
//!
//! What always holds: a person with a confirmed factor gets no session without it, whatever the first factor was; the
//! attempt is counted before the comparison; a time step and a recovery code count once; the secret is sealed and shown
//! once; turning it off needs a proof of the last five minutes.

pub mod dto;
mod error;
mod factor;
pub mod http;
pub mod model;
pub mod store;
pub mod verify;

pub use error::FactorError;
pub(crate) use factor::{Proof, consume, judge};

use common_types::ClinicRole;
use service_auth::tokens::random_alphanumeric;
use sha2::{Digest, Sha256};

use crate::settings::{FactorRule, Settings};
use crate::user::{Standing, User};

/// What answers the question for the second factor.
pub const METHODS: [&str; 2] = ["totp", "recovery_code"];
/// Characters of a challenge: 238 bits.
const CHALLENGE_CHARS: usize = 40;

/// A new challenge's text.
pub(crate) fn challenge_token() -> String {
    random_alphanumeric(CHALLENGE_CHARS)
}

/// Its stored form; it is random, so a fast hash protects it.
pub(crate) fn challenge_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl Settings {
    /// Whether this person's roles count only in sessions that proved a second factor: superusers, admins and doctors,
    /// where the setting asks for it.
    #[must_use]
    pub fn needs_second_factor(&self, user: &User, standing: Option<&Standing>) -> bool {
        let asked = match self.second_factor.required {
            FactorRule::Always => true,
            FactorRule::Never => false,
            FactorRule::Production => self.environment.is_production(),
        };
        let role = standing.and_then(|standing| standing.clinic_role);
        asked && (user.is_superuser || matches!(role, Some(ClinicRole::Admin | ClinicRole::Doctor)))
    }
}

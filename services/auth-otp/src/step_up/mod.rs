//! Step-up: a fresh proof of the person before a sensitive action (Q-A8).
//!
//! What always holds: the proof is the authenticator where one is bound, else a code to the phone, else the password;
//! a code is bound to its session and purpose, so a login code or another session's code proves nothing; the proof
//! stands in the session and in its access tokens (`stepped_up_at`) and opens [`SteppedUp`] routes of every service for
//! five minutes.
//!
//! [`SteppedUp`]: service_http::SteppedUp

pub mod http;

use crate::second_factor;
use crate::state::AppState;
use crate::user::User;
use service_http::ApiError;

/// How a person proves themselves anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// A code of the authenticator, or a recovery code.
    Totp,
    /// A code to the phone.
    Sms,
    /// The password: only for who has neither.
    Password,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Sms => "sms",
            Self::Password => "password",
        }
    }
}

/// The strongest proof this person can give; nobody chooses a weaker one.
pub(crate) async fn method_of(state: &AppState, user: &User) -> Result<Method, ApiError> {
    let mut conn = state.stack.db.get().await?;
    if second_factor::store::is_on(&mut conn, user.id).await? {
        return Ok(Method::Totp);
    }
    match (&user.phone, &user.password_hash) {
        (Some(_), _) => Ok(Method::Sms),
        (None, Some(_)) => Ok(Method::Password),
        (None, None) => Err(ApiError::permission_denied()),
    }
}

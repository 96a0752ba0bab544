//! Text messages that tell the owner of an account what happened to it.
//!
//! What always holds: the alert is written in the transaction of what it tells, so nothing happens silently; the worker
//! sends it, so no login waits for a provider; the row's id is the message's idempotency key, so it is sent once.

mod send;
mod store;
mod text;

pub use send::send_due;
pub(crate) use store::sweep;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use crate::user::User;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// Somebody logged in on a device never seen with this account.
    NewDevice {
        /// Browser and system.
        device: String,
    },
    /// The password was changed or set anew.
    PasswordChanged,
    /// The account has another phone now; told to the old one.
    PhoneChanged,
    /// An authenticator application was bound.
    SecondFactorOn,
    /// The second factor is no longer asked for.
    SecondFactorOff,
    /// Somebody came in with a code that an admin had made.
    Recovered,
}

impl Alert {
    fn kind(&self) -> &'static str {
        match self {
            Self::NewDevice { .. } => "new_device",
            Self::PasswordChanged => "password_changed",
            Self::PhoneChanged => "phone_changed",
            Self::SecondFactorOn => "second_factor_on",
            Self::SecondFactorOff => "second_factor_off",
            Self::Recovered => "recovered",
        }
    }

    fn device(&self) -> &str {
        match self {
            Self::NewDevice { device } => device,
            _ => "",
        }
    }
}

/// Writes the alert to the user's present phone in the caller's transaction; who has no phone is not told.
///
/// # Errors
/// Database failures.
pub async fn insert(
    conn: &mut AsyncPgConnection,
    user: &User,
    alert: Alert,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    match &user.phone {
        Some(phone) => store::insert_alert(conn, user, phone.e164(), &alert, now).await,
        None => Ok(()),
    }
}

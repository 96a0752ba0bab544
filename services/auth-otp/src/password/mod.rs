//! Passwords: django-chelseru's `PASSWD` method, and change and reset for everybody who has one.
//!
//! What always holds: argon2id off the event loop; a trivial password is refused (zxcvbn) before it costs a hash;
//! unknown names cost the same work (Q-A3); a change ends the other sessions, a reset all of them, and the owner is told.

pub mod change;
mod check;
pub mod method;
pub mod reset;
pub mod strength;

pub(crate) use check::{check, find, is_right, wrong};

use chrono::{DateTime, Utc};
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use service_audit::{ActorKind, AuditEntry};
use service_http::ApiError;
use uuid::Uuid;

use crate::alert::{self, Alert};
use crate::second_factor;
use crate::session::open::Origin;
use crate::session::revocation;
use crate::state::AppState;
use crate::user::{User, store as users};

/// A new password on its way into the account.
struct NewPassword<'a> {
    /// Whose.
    user: &'a User,
    /// argon2id.
    hash: &'a str,
    /// The session that lives on.
    keep: Option<Uuid>,
    /// The audit row's action, and why the sessions end.
    action: &'static str,
    /// From where.
    origin: &'a Origin,
}

/// Stores a new hash in the caller's transaction and ends the user's other sessions; tells the owner.
async fn replace(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    new: &NewPassword<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Revocation>, ApiError> {
    let NewPassword {
        user,
        keep,
        action,
        origin,
        ..
    } = *new;
    users::update_password(conn, user.id, new.hash, now).await?;
    second_factor::store::end_challenges(conn, user.id, now).await?;
    let ended = revocation::end_sessions_of(conn, state, user.id, keep, action, now).await?;
    alert::insert(conn, user, Alert::PasswordChanged, now).await?;
    let entry = AuditEntry::new(user.id, ActorKind::User, action, now)
        .subject("user", user.id)
        .origin(Some(origin.ip), service_telemetry::current_request_id());
    service_audit::record(conn, entry).await?;
    Ok(ended)
}

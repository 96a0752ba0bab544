//! Turning a right code into a session.

use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};

use super::error::LoginError;
use crate::code::{self, Target, Verdict};
use crate::session::open::Origin;
use crate::session::{Opened, Opening, SessionKind};
use crate::state::AppState;
use crate::user::{User, service as users, store};

/// A code somebody typed.
#[derive(Debug)]
pub struct CodeLogin<'a> {
    /// `login_s4` or `login_s2`.
    pub purpose: &'a str,
    /// Whose.
    pub phone: &'a PhoneNumber,
    /// As typed.
    pub code: &'a str,
    /// The group tag asked for.
    pub group: i32,
    /// The language a new user gets.
    pub language: Language,
    /// From where.
    pub origin: &'a Origin,
}

/// Somebody is in.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// Made by this login.
    pub registered: bool,
    /// The session.
    pub opened: Opened,
}

/// Judges the code; a right one is used, its user found or made, and a session opened, in one transaction.
///
/// # Errors
/// [`LoginError`].
pub async fn log_in(state: &AppState, login: &CodeLogin<'_>) -> Result<LoggedIn, LoginError> {
    let verdict = code::judge(
        state,
        login.purpose,
        login.phone,
        "",
        Target::Latest,
        login.code,
    )
    .await?;
    let code_id = match verdict {
        Verdict::Right(id) => id,
        Verdict::Wrong(_) => {
            code::settle_failure(state, login.phone).await?;
            return Err(LoginError::Code(verdict));
        }
        Verdict::Expired | Verdict::Burned | Verdict::Unknown => {
            return Err(LoginError::Code(verdict));
        }
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    let outcome =
        state
            .stack
            .db
            .transaction(
                async |conn: &mut AsyncPgConnection| -> Result<Option<LoggedIn>, LoginError> {
                    if !code::consume(conn, code_id, login.phone, now).await? {
                        return Err(LoginError::Code(Verdict::Unknown));
                    }
                    let (user, registered) =
                        users::find_or_register(conn, login.phone, login.language, now).await?;
                    if !user.is_active {
                        return Ok(None);
                    }
                    store::insert_group(conn, user.id, login.group, now).await?;
                    let opening = Opening {
                        user: &user,
                        kind: SessionKind::Rotating,
                        group: login.group,
                        origin: login.origin,
                    };
                    let opened = crate::session::open(conn, state, &keys, &opening, now).await?;
                    let entry = AuditEntry::new(user.id, ActorKind::User, "auth.logged_in", now)
                .subject("user", user.id)
                .organization(opened.standing.as_ref().map(|standing| standing.organization_id))
                .origin(Some(login.origin.ip), service_telemetry::current_request_id())
                .details(json!({"by": "code", "purpose": login.purpose, "registered": registered}));
                    service_audit::record(conn, entry).await?;
                    Ok(Some(LoggedIn {
                        user,
                        registered,
                        opened,
                    }))
                },
            )
            .await?;
    state.stack.outbox.wake();
    outcome.ok_or(LoginError::Inactive)
}

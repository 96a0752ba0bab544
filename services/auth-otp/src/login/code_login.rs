//! Turning a right code into a session.

use chrono::{DateTime, Utc};
use common_types::{Language, PhoneNumber};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_auth::KeySet;
use uuid::Uuid;

use super::error::LoginError;
use super::store::{self, Admitted, Entrant};
use super::{Entered, Entry, Known, enter};
use crate::code::{self, Target, Verdict};
use crate::organization::personal;
use crate::session::open::Origin;
use crate::session::{Carrier, Draft, Opened, OpenedBy, SessionKind};
use crate::state::AppState;
use crate::user::store::list_standings;
use crate::user::{Standing, User, service as users};

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
    /// Contexor's pages need an organisation: one is made for who has none, and the session works in the content one.
    pub workshop: bool,
    /// How the refresh token will behave.
    pub kind: SessionKind,
    /// Where the refresh token will travel.
    pub carrier: Carrier,
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

/// What the transaction made; `None` for a closed account.
type Outcome = (User, bool, Entered);

/// Judges the code; a right one is used, its user found or made, and a session opened, in one transaction: one statement
/// for the usual login, several where more is to be done. Who has a second factor gets [`LoginError::SecondFactor`] instead of a session.
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
            code::settle_failure_of(state, login.phone, Some(login.origin.ip)).await?;
            return Err(LoginError::Code(verdict));
        }
        Verdict::Expired | Verdict::Burned | Verdict::Unknown => {
            return Err(LoginError::Code(verdict));
        }
    };
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    if let Some(logged_in) = at_once(state, &keys, login, code_id, now).await? {
        return Ok(logged_in);
    }
    let outcome =
        state
            .stack
            .db
            .transaction(
                async |conn: &mut AsyncPgConnection| -> Result<Option<Outcome>, LoginError> {
                    let Some(Admitted {
                        user,
                        registered,
                        has_factor,
                        standings,
                    }) = store::admit_by_code(
                        conn,
                        code_id,
                        login.phone,
                        login.group,
                        login.language,
                        now,
                    )
                    .await?
                    else {
                        return Err(LoginError::Code(Verdict::Unknown));
                    };
                    if !user.is_active {
                        return Ok(None);
                    }
                    if registered {
                        users::tell_registered(conn, &user, now).await?;
                    }
                    let mut standings = standings;
                    if login.workshop && standings.is_empty() {
                        personal::ensure(conn, &user, now)
                            .await
                            .map_err(anyhow::Error::new)?;
                        standings = list_standings(conn, user.id).await?;
                    }
                    let entry = Entry {
                        user: &user,
                        kind: login.kind,
                        carrier: login.carrier,
                        organization: login.workshop.then(|| workshop(&standings)).flatten(),
                        verified_phone: Some(login.phone.e164()),
                        group: login.group,
                        opened_by: OpenedBy::Code,
                        origin: login.origin,
                        known: Some(Known {
                            has_factor,
                            standings: &standings,
                        }),
                        details: json!({"by": "code", "purpose": login.purpose, "registered": registered}),
                    };
                    let entered = enter(conn, state, &keys, &entry, now).await?;
                    Ok(Some((user, registered, entered)))
                },
            )
            .await?;
    state.stack.outbox.wake();
    let (user, registered, entered) = outcome.ok_or(LoginError::Inactive)?;
    match entered {
        Entered::Open(opened) => Ok(LoggedIn {
            user,
            registered,
            opened,
        }),
        Entered::SecondFactor(challenge) => Err(LoginError::SecondFactor(challenge)),
    }
}

/// The usual login, in one statement; `None` when it is another, and then nothing has happened.
async fn at_once(
    state: &AppState,
    keys: &KeySet,
    login: &CodeLogin<'_>,
    code_id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<LoggedIn>, LoginError> {
    let draft = Draft::new(&state.settings, login.kind, login.origin, now);
    let mut conn = state.stack.db.get().await?;
    let answer = store::log_in_by_code(&mut conn, code_id, login, &draft, now).await;
    drop(conn);
    let entrant = match answer {
        Ok(Some(entrant)) => entrant,
        Ok(None) => return Ok(None),
        // Somebody else was quicker to make the person.
        Err(error) if code::lost_a_race(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Entrant {
        user,
        registered,
        standing,
    } = entrant;
    if registered {
        state.stack.outbox.wake();
    }
    let opened = draft.opened(&state.settings, keys, &user, standing, login.group, now)?;
    Ok(Some(LoggedIn {
        user,
        registered,
        opened,
    }))
}

/// The organisation that Contexor's pages work in: the first one with a content role, else the first one.
fn workshop(standings: &[Standing]) -> Option<Uuid> {
    standings
        .iter()
        .find(|standing| standing.content_role.is_some())
        .or_else(|| standings.first())
        .map(|standing| standing.organization_id)
}

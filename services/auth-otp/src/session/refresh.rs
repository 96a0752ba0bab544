//! Refreshing: a conditional update lets one of many parallel uses of a token move the session on; the others read what
//! it made, so that all start one chain (Q-A5).

use chrono::{DateTime, TimeDelta, Utc};
use common_types::internal::auth::Revocation;
use diesel_async::AsyncPgConnection;
use service_auth::tokens::ct_eq;
use service_db::DbError;

use super::carrier::Carrier;
use super::open::{Origin, Proved, claims, standing_of};
use super::store::{self, SessionRow};
use super::token::{self, RefreshToken};
use super::{agent, revocation};
use crate::state::AppState;
use crate::user::store as users;

/// A parallel use moves the session on once; the second look sees it.
const TURNS: u32 = 3;

/// Why a refresh token brings nothing.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Forged, expired, revoked, reused, or its user is gone: one answer for all.
    #[error("the refresh token does not count")]
    Invalid,
    /// The user does not belong to the organisation asked for.
    #[error("not a member of that organisation")]
    NotAMember,
    /// Anything else.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

impl From<DbError> for RefreshError {
    fn from(error: DbError) -> Self {
        Self::Unexpected(error.into())
    }
}

impl From<diesel::result::Error> for RefreshError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Unexpected(error.into())
    }
}

/// A new access token and the refresh token to keep.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// The access token.
    pub access: String,
    /// The successor, or the same token for stable sessions.
    pub refresh: String,
    /// The session's absolute end.
    pub expires_at: DateTime<Utc>,
}

/// What the transaction decided; a reuse must be committed too, hence no error.
enum Decision {
    Go(Refreshed),
    Invalid,
    Reused(Option<Revocation>),
}

/// Uses a refresh token that came by `carrier`. `organization` (a number) moves the session to another of the user's
/// organisations.
///
/// # Errors
/// [`RefreshError`].
pub async fn refresh(
    state: &AppState,
    text: &str,
    carrier: Carrier,
    organization: Option<i64>,
    origin: &Origin,
) -> Result<Refreshed, RefreshError> {
    let key = state.settings.tokens.refresh_key.expose().as_bytes();
    let given = RefreshToken::read(key, text).ok_or(RefreshError::Invalid)?;
    let keys = state.keys.get().await.map_err(anyhow::Error::from)?;
    let now = state.now();
    let decision = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Decision, RefreshError> {
                let Some((session, successor)) =
                    take_turn(conn, state, given, text, carrier, origin, now).await?
                else {
                    return Ok(Decision::Invalid);
                };
                let successor = match successor {
                    Taken::Token(refresh) => refresh,
                    Taken::Reused(ended) => return Ok(Decision::Reused(ended)),
                };
                let user = users::find_user(conn, session.user_id)
                    .await?
                    .filter(|user| user.is_active);
                let Some(user) = user else {
                    return Ok(Decision::Invalid);
                };
                let mut standing = standing_of(conn, user.id, session.organization_id).await?;
                if let Some(number) = organization {
                    let all = users::list_standings(conn, user.id).await?;
                    let wanted = all
                        .into_iter()
                        .find(|standing| standing.organization_number == number);
                    let wanted = wanted.ok_or(RefreshError::NotAMember)?;
                    store::update_organization(conn, session.id, wanted.organization_id).await?;
                    standing = Some(wanted);
                }
                let claims = claims(
                    &state.settings,
                    &user,
                    standing.as_ref(),
                    &Proved::of(&session),
                    now,
                );
                let access = keys
                    .signer()
                    .sign_access(&claims)
                    .map_err(anyhow::Error::from)?;
                Ok(Decision::Go(Refreshed {
                    access,
                    refresh: successor,
                    expires_at: session.expires_at,
                }))
            },
        )
        .await?;
    match decision {
        Decision::Go(refreshed) => Ok(refreshed),
        Decision::Invalid => Err(RefreshError::Invalid),
        Decision::Reused(ended) => {
            if let Some(ended) = ended {
                metrics::counter!("auth_refresh_reuse_total").increment(1);
                tracing::warn!(session = %ended.id, "an old refresh token came again: the session is ended");
                revocation::announce(state, &[ended]);
            }
            Err(RefreshError::Invalid)
        }
    }
}

/// What a turn brought.
enum Taken {
    /// The refresh token to hand out.
    Token(String),
    /// The session ended by it.
    Reused(Option<Revocation>),
}

/// Reads the session and takes the token's turn; `None` when it brings nothing. Who loses against a parallel use reads
/// again what that made.
async fn take_turn(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    given: RefreshToken,
    text: &str,
    carrier: Carrier,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Option<(SessionRow, Taken)>, RefreshError> {
    let key = state.settings.tokens.refresh_key.expose().as_bytes();
    for _ in 0..TURNS {
        let Some(session) = store::find_session(conn, given.family).await? else {
            return Ok(None);
        };
        let elsewhere = session.carrier != carrier.as_str();
        if elsewhere || session.ended_at.is_some() || session.expires_at <= now {
            return Ok(None);
        }
        let taken = match successor_of(state, &session, given, text, origin, now) {
            Turn::Rotate(next) => {
                let refresh = next.write(key);
                let hash = token::hash(&refresh);
                let generation = next.generation;
                if !store::update_generation(conn, session.id, generation, &hash, now).await? {
                    continue;
                }
                Taken::Token(refresh)
            }
            Turn::Keep(refresh) => {
                store::update_last_seen(conn, session.id, now).await?;
                Taken::Token(refresh)
            }
            Turn::Reuse => {
                Taken::Reused(revocation::end_session(conn, state, session.id, "reuse", now).await?)
            }
            Turn::Refuse => return Ok(None),
        };
        return Ok(Some((session, taken)));
    }
    Ok(None)
}

#[derive(Debug)]
enum Turn {
    Rotate(RefreshToken),
    Keep(String),
    Reuse,
    Refuse,
}

fn successor_of(
    state: &AppState,
    session: &SessionRow,
    given: RefreshToken,
    text: &str,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Turn {
    let tokens = &state.settings.tokens;
    if session.kind == "stable" {
        let seen = agent::Seen::of(&origin.user_agent);
        let same = session.browser == seen.browser
            && session.device == seen.device
            && ct_eq(&token::hash(text), &session.token_hash);
        return if same {
            Turn::Keep(text.to_owned())
        } else {
            Turn::Refuse
        };
    }
    if given.generation == session.generation {
        let stored = ct_eq(&token::hash(text), &session.token_hash);
        return if stored {
            Turn::Rotate(given.next())
        } else {
            Turn::Refuse
        };
    }
    // A generation that was never handed out can only come from a restored backup: it proves nothing.
    if given.generation > session.generation {
        return Turn::Refuse;
    }
    let window = TimeDelta::seconds(tokens.rotation_window_seconds);
    if given.next().generation == session.generation && now - session.rotated_at <= window {
        return Turn::Keep(given.next().write(tokens.refresh_key.expose().as_bytes()));
    }
    Turn::Reuse
}

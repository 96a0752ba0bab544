//! A new access token of a living session, after it has proved more.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use service_auth::KeySet;
use uuid::Uuid;

use super::open::{Proved, claims, standing_of};
use super::store;
use crate::state::AppState;
use crate::user::store as users;

/// Notes a fresh proof of the person in the caller's transaction (`second_factor` when it was one) and signs an access
/// token that carries it; `None` when the session or its user is gone.
///
/// # Errors
/// Database failures; a token that cannot be signed.
pub(crate) async fn prove(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    keys: &KeySet,
    session: Uuid,
    second_factor: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<String>> {
    let Some(mut row) = store::lock_session(conn, session).await? else {
        return Ok(None);
    };
    if row.ended_at.is_some() || row.expires_at <= now {
        return Ok(None);
    }
    store::update_stepped_up(conn, session, second_factor, now).await?;
    let user = users::find_user(conn, row.user_id).await?;
    let Some(user) = user.filter(|user| user.is_active) else {
        return Ok(None);
    };
    row.stepped_up_at = Some(now);
    if second_factor {
        row.second_factor_at = Some(now);
    }
    let standing = standing_of(conn, user.id, row.organization_id).await?;
    let claims = claims(
        &state.settings,
        &user,
        standing.as_ref(),
        &Proved::of(&row),
        now,
    );
    Ok(Some(keys.signer().sign_access(&claims)?))
}

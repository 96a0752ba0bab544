//! Comparing a password with the stored hash.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::PhoneNumber;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_http::{ApiError, Text};
use uuid::Uuid;

use crate::session::open::Origin;
use crate::state::AppState;
use crate::user::{User, store};

/// The user of a username in any case, or of a phone in any spelling.
pub(crate) async fn find(
    conn: &mut AsyncPgConnection,
    name: &str,
) -> Result<Option<User>, ApiError> {
    if let Some(user) = store::find_user_by_username(conn, name).await? {
        return Ok(Some(user));
    }
    match PhoneNumber::parse(name) {
        Ok(phone) => Ok(store::find_user_by_phone(conn, phone.e164()).await?),
        Err(_) => Ok(None),
    }
}

/// One argon2id run, one update and one audit row whatever was found, so that time tells nothing (Q-A3). A wrong
/// password counts on the account; a resting account is refused without telling.
pub(crate) async fn check(
    state: &AppState,
    found: Option<User>,
    password: &str,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Option<User>, ApiError> {
    let hash = found.as_ref().and_then(|user| user.password_hash.clone());
    let right = match &hash {
        Some(hash) => state
            .hasher
            .verify(password, hash)
            .await
            .map_err(anyhow::Error::from)?,
        None => state.hasher.dummy_verify(password).await,
    };
    let id = found.as_ref().map_or(Uuid::nil(), |user| user.id);
    let budgets = &state.settings.budgets;
    let may_enter = |user: &User| {
        let resting = user.password_failures >= budgets.failure_ceiling
            && user
                .password_failed_at
                .is_some_and(|at| now < at + TimeDelta::seconds(budgets.rest_seconds));
        user.is_active && !resting
    };
    if let Some(user) = found.filter(|user| right && may_enter(user)) {
        if hash
            .as_deref()
            .is_some_and(service_auth::Hasher::needs_rehash)
        {
            let fresh = state
                .hasher
                .hash(password)
                .await
                .map_err(anyhow::Error::from)?;
            let mut conn = state.stack.db.get().await?;
            store::update_password(&mut conn, user.id, &fresh, now).await?;
        }
        return Ok(Some(user));
    }
    let mut conn = state.stack.db.get().await?;
    store::add_password_failure(&mut conn, id, now).await?;
    let entry = AuditEntry::new("", ActorKind::Anonymous, "auth.logged_in", now)
        .subject("user", id)
        .outcome(Outcome::Denied)
        .origin(Some(origin.ip), service_telemetry::current_request_id())
        .details(json!({"by": "password"}));
    service_audit::record(&mut conn, entry).await?;
    Ok(None)
}

/// The password of somebody who is logged in; a wrong one counts on the account like one at the login.
pub(crate) async fn is_right(
    state: &AppState,
    user: &User,
    password: &str,
    origin: &Origin,
) -> Result<bool, ApiError> {
    let checked = check(state, Some(user.clone()), password, origin, state.now()).await?;
    Ok(checked.is_some())
}

/// 400 for a wrong password of somebody who is logged in.
pub(crate) fn wrong() -> ApiError {
    ApiError::bad_request(
        "auth.password_wrong",
        Text::i18n(
            "گذرواژه درست نیست.",
            "Mot de passe incorrect.",
            "The password is wrong.",
        ),
    )
}

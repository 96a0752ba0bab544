//! Judging a second factor: count first, compare after, use once.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use service_auth::SealContext;
use uuid::Uuid;

use super::error::FactorError;
use super::model;
use super::store::{self, FactorRow};
use crate::SERVICE;
use crate::code::model::{normalize, seconds_until};
use crate::state::AppState;

/// A right second factor, to be used by [`consume`] in the transaction that acts on it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    /// The code of this time step.
    Step(i64),
    /// This recovery code.
    RecoveryCode(Uuid),
}

/// Where the secret of a user rests.
pub(super) fn place(user: Uuid) -> SealContext<'static> {
    SealContext {
        service: SERVICE,
        table: "second_factors",
        row: user,
        column: "secret",
    }
}

/// Counts an attempt on the user's factor, then compares: an application's code, or a recovery code when it looks like
/// one.
pub(crate) async fn judge(
    state: &AppState,
    user: Uuid,
    typed: &str,
    confirmed: bool,
) -> Result<Proof, FactorError> {
    let now = state.now();
    let rules = &state.settings.second_factor;
    let rested = now - TimeDelta::seconds(rules.rest_seconds);
    let mut conn = state.stack.db.get().await?;
    let raised = store::raise_failures(&mut conn, user, rules.attempts, rested, now).await?;
    let Some(row) = raised else {
        let row = store::find(&mut conn, user).await?;
        let row = row.ok_or(FactorError::NotEnrolled)?;
        let end = row.failed_at.unwrap_or(now) + TimeDelta::seconds(rules.rest_seconds);
        metrics::counter!("auth_second_factor_refused_total", "reason" => "resting").increment(1);
        return Err(FactorError::Resting(seconds_until(now, end)));
    };
    if row.confirmed_at.is_some() != confirmed {
        return Err(FactorError::NotEnrolled);
    }
    if let Some(code) = model::normalize_recovery_code(typed).filter(|_| confirmed) {
        let key = state.settings.codes.key.expose().as_bytes();
        let hash = model::hash_recovery_code(key, user, &code);
        let found = store::find_recovery_code(&mut conn, user, &hash).await?;
        return found.map(Proof::RecoveryCode).ok_or_else(wrong);
    }
    drop(conn);
    let step = step(state, &row, typed, now)?;
    match step.filter(|step| *step > row.last_step) {
        Some(step) => Ok(Proof::Step(step)),
        None => Err(wrong()),
    }
}

fn wrong() -> FactorError {
    metrics::counter!("auth_second_factor_refused_total", "reason" => "wrong").increment(1);
    FactorError::Wrong
}

fn step(
    state: &AppState,
    row: &FactorRow,
    typed: &str,
    now: DateTime<Utc>,
) -> Result<Option<i64>, FactorError> {
    let secret = state.sealer.open(&place(row.user_id), &row.secret)?;
    let authenticator = model::authenticator(&secret, &state.settings.second_factor.issuer, "-")
        .map_err(|error| anyhow::anyhow!("the stored secret: {error}"))?;
    Ok(model::step_of(
        &authenticator,
        &normalize(typed),
        now.timestamp(),
    ))
}

/// Uses a proof in the caller's transaction; true for exactly one caller. Clears the failures.
pub(crate) async fn consume(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    proof: Proof,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    match proof {
        Proof::Step(step) => store::use_step(conn, user, step).await,
        Proof::RecoveryCode(id) => {
            let used = store::use_recovery_code(conn, id, now).await?;
            if used {
                store::clear_failures(conn, user).await?;
            }
            Ok(used)
        }
    }
}

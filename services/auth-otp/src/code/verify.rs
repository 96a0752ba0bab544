//! Judging a code: count first, compare after, use once.

use common_types::PhoneNumber;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::error::CodeError;
use super::model::{Bound, normalize, verify_hash};
use super::{budget, store};
use crate::state::AppState;

/// Which code is meant.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// This challenge.
    Challenge(Uuid),
    /// The newest code of purpose, phone and binding.
    Latest,
}

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Right; it still has to be used, by [`consume`], in the transaction that acts on it.
    Right(Uuid),
    /// Wrong; so many attempts are left.
    Wrong(i32),
    /// Too old.
    Expired,
    /// All attempts are gone; the code is spent now, whatever was typed.
    Burned,
    /// No living code.
    Unknown,
}

/// Judges a code. The caller then consumes a right one, and calls [`settle_failure`] for a wrong one.
///
/// # Errors
/// [`CodeError::Throttled`] while the phone rests; database failures.
pub async fn judge(
    state: &AppState,
    purpose: &str,
    phone: &PhoneNumber,
    binding: &str,
    target: Target,
    code: &str,
) -> Result<Verdict, CodeError> {
    let now = state.now();
    let phone = phone.e164();
    let mut conn = state.stack.db.get().await?;
    budget::check_ceiling(&mut conn, &state.settings, phone, now).await?;
    let found = match target {
        Target::Latest => store::find_latest(&mut conn, purpose, phone, binding).await?,
        Target::Challenge(id) => {
            store::find_challenge(&mut conn, id, purpose, phone, binding).await?
        }
    };
    let Some(found) = found else {
        return Ok(Verdict::Unknown);
    };
    if found.expires_at <= now {
        return Ok(Verdict::Expired);
    }
    let Some(raised) = store::raise_attempts(&mut conn, found.id, now).await? else {
        return Ok(
            match store::find_challenge(&mut conn, found.id, purpose, phone, binding).await? {
                Some(row) if row.attempts >= row.max_attempts => {
                    if store::spend_code(&mut conn, row.id, now).await? {
                        Verdict::Burned
                    } else {
                        Verdict::Unknown
                    }
                }
                _ => Verdict::Unknown,
            },
        );
    };
    metrics::counter!("auth_codes_evaluated_total").increment(1);
    let bound = Bound {
        purpose,
        phone,
        binding,
        id: raised.id,
    };
    let key = state.settings.codes.key.expose().as_bytes();
    if verify_hash(key, &bound, &normalize(code), &raised.code_hash) {
        Ok(Verdict::Right(raised.id))
    } else {
        Ok(Verdict::Wrong(raised.max_attempts - raised.attempts))
    }
}

/// Uses a right code in the caller's transaction; true for exactly one caller. Clears the phone's failures.
///
/// # Errors
/// Database failures.
pub async fn consume(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    phone: &PhoneNumber,
    now: chrono::DateTime<chrono::Utc>,
) -> diesel::QueryResult<bool> {
    if !store::use_code(conn, id, now).await? {
        return Ok(false);
    }
    store::clear_failures(conn, phone.e164()).await?;
    Ok(true)
}

/// Counts a wrong code on the phone.
///
/// # Errors
/// Database failures.
pub async fn settle_failure(state: &AppState, phone: &PhoneNumber) -> Result<(), CodeError> {
    let mut conn = state.stack.db.get().await?;
    Ok(store::add_failure(&mut conn, phone.e164(), state.now()).await?)
}

/// Judges and, when right, uses a code at once: for callers in other services, whose transaction is elsewhere.
///
/// # Errors
/// As [`judge`].
pub async fn verify(
    state: &AppState,
    purpose: &str,
    phone: &PhoneNumber,
    binding: &str,
    target: Target,
    code: &str,
) -> Result<Verdict, CodeError> {
    let verdict = judge(state, purpose, phone, binding, target, code).await?;
    match verdict {
        Verdict::Right(id) => {
            let mut conn = state.stack.db.get().await?;
            let used = consume(&mut conn, id, phone, state.now()).await?;
            Ok(if used { verdict } else { Verdict::Unknown })
        }
        Verdict::Wrong(_) => {
            settle_failure(state, phone).await?;
            Ok(verdict)
        }
        Verdict::Expired | Verdict::Burned | Verdict::Unknown => Ok(verdict),
    }
}

//! Judging a code: count first, compare after, use once.

use std::net::IpAddr;

use common_types::PhoneNumber;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::error::CodeError;
use super::model::{Bound, REPROOF, normalize, verify_hash};
use super::store;
use crate::shield;
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

/// Judges a code. The caller then consumes a right one, and calls [`settle_failure`] for a wrong one, before anybody hears of
/// it: those commits wait for the disk and bring the counted attempt there with them.
///
/// # Errors
/// [`CodeError::NeedsProof`] after too many wrong codes in a row; database failures.
pub async fn judge(
    state: &AppState,
    purpose: &str,
    phone: &PhoneNumber,
    binding: &str,
    target: Target,
    code: &str,
) -> Result<Verdict, CodeError> {
    let phone = phone.e164();
    let challenge = match target {
        Target::Latest => None,
        Target::Challenge(id) => Some(id),
    };
    let ceiling = if purpose == REPROOF {
        i32::MAX
    } else {
        state.settings.budgets.failure_ceiling
    };
    let mut conn = state.stack.db.get().await?;
    let attempt = store::attempt_code(
        &mut conn,
        purpose,
        phone,
        binding,
        challenge,
        state.now(),
        ceiling,
    )
    .await?;
    drop(conn);
    let (id, hash) = match (attempt.outcome.as_str(), attempt.code_id, attempt.hash) {
        ("evaluate", Some(id), Some(hash)) => (id, hash),
        ("unknown", ..) => return Ok(Verdict::Unknown),
        ("expired", ..) => return Ok(Verdict::Expired),
        ("burned", ..) => return Ok(Verdict::Burned),
        ("needs_proof", ..) => return Err(CodeError::NeedsProof),
        (other, ..) => return Err(anyhow::anyhow!("attempt_code answered {other:?}").into()),
    };
    metrics::counter!("auth_codes_evaluated_total").increment(1);
    let bound = Bound {
        purpose,
        phone,
        binding,
        id,
    };
    let key = state.settings.codes.key.expose().as_bytes();
    if verify_hash(key, &bound, &normalize(code), &hash) {
        Ok(Verdict::Right(id))
    } else {
        Ok(Verdict::Wrong(attempt.left_over))
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
    store::use_code(conn, id, phone.e164(), now).await
}

/// Counts a wrong code on the phone.
///
/// # Errors
/// Database failures.
pub async fn settle_failure(state: &AppState, phone: &PhoneNumber) -> Result<(), CodeError> {
    settle_failure_of(state, phone, None).await
}

/// Counts a wrong code on the phone, on the address it came from, and over everything (Q-A2).
///
/// # Errors
/// Database failures.
pub async fn settle_failure_of(
    state: &AppState,
    phone: &PhoneNumber,
    ip: Option<IpAddr>,
) -> Result<(), CodeError> {
    let mut conn = state.stack.db.get().await?;
    store::add_failure(&mut conn, phone.e164(), state.now()).await?;
    drop(conn);
    shield::note_failure(state, ip).await
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

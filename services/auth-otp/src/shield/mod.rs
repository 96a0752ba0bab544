//! What stops codes as a whole: kill switches, money ceilings, the block list, challenge mode.
//!
//! What always holds (Q-A2): every decision rests on rows of PostgreSQL or on counters that go on in the process when
//! Redis is away, so the loss of Redis opens nothing; a refused send takes nothing from any budget; a switch is felt
//! by every process within a second; every switch, block and unlock by a person leaves an audit row.

mod attack;
mod block;
pub mod block_http;
mod challenge;
pub mod http;
mod ledger;
pub mod model;
mod settings;
mod snapshot;
mod store;

use std::sync::Arc;

pub(crate) use attack::note_failure;
pub use challenge::HEADER as CHALLENGE_HEADER;
pub use challenge::{ChallengeAnswer, solve};
pub(crate) use ledger::{Charge, Ledger};
pub use settings::ShieldSettings;
pub(crate) use snapshot::Snapshots;
pub(crate) use store::sweep;

use std::net::IpAddr;

use service_http::ApiError;
use uuid::Uuid;

use crate::state::AppState;

/// What a process remembers of the shield for a second or an hour; the rows rule.
#[derive(Debug, Clone, Default)]
pub struct Shield {
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) failures: Arc<attack::Failures>,
}

/// Who asks for a code, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker {
    /// The client's address; absent for other services.
    pub ip: Option<IpAddr>,
    /// The organisation that asks.
    pub organization: Option<Uuid>,
}

/// Lets a call to a code route in: its address is not blocked, and in challenge mode it brings an answer or takes one of
/// the few places without.
///
/// # Errors
/// 429 with the block's remaining seconds, 428 with a challenge; database failures.
pub(crate) async fn admit(
    state: &AppState,
    ip: IpAddr,
    answer: &ChallengeAnswer,
) -> Result<(), ApiError> {
    check_source(state, ip).await?;
    let now = state.now();
    let snapshot = state.shield.snapshots.get(state).await?;
    if snapshot.is_challenging(now) {
        challenge::check(state, ip, answer, now).await?;
    }
    Ok(())
}

/// Refuses a blocked address.
///
/// # Errors
/// 429 with the block's remaining seconds; database failures.
pub(crate) async fn check_source(state: &AppState, ip: IpAddr) -> Result<(), ApiError> {
    let now = state.now();
    let snapshot = state.shield.snapshots.get(state).await?;
    if let Some(until) = snapshot.blocked_until(ip, now) {
        metrics::counter!("auth_codes_refused_total", "reason" => "blocked").increment(1);
        let seconds = crate::code::model::seconds_until(now, until);
        return Err(ApiError::too_many(u64::try_from(seconds).unwrap_or(1)));
    }
    Ok(())
}

//! Noticing attacks: wrong codes of one address, and wrong codes over all phones.

use std::net::IpAddr;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;
use service_http::Limit;

use super::ledger::start_of;
use super::model::{self, Scope};
use super::{block, store};
use crate::code::CodeError;
use crate::state::AppState;

/// Failures are counted per minute and summed over the last ten.
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// The time both ceilings speak of.
const SPAN: TimeDelta = TimeDelta::minutes(10);
/// The same for the limiter.
const SPAN_SECONDS: Duration = Duration::from_secs(600);
/// The counter's name.
pub(super) const FAILURES: &str = "failures-minute";
/// A hundredth of the ceiling is gathered in the process before it is written: one row would make a flood wait.
const STEPS: i64 = 100;

/// Failures not written yet.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    gathered: Mutex<i64>,
}

/// Notes a wrong code: it may block its address and may start challenge mode.
///
/// # Errors
/// Database failures.
pub(crate) async fn note_failure(state: &AppState, ip: Option<IpAddr>) -> Result<(), CodeError> {
    if let Some(ip) = ip {
        note_source(state, ip).await?;
    }
    let settings = &state.settings.shield;
    let step = (settings.challenge_failures / STEPS).max(1);
    let due = {
        let mut gathered = state.shield.failures.gathered.lock();
        *gathered += 1;
        (*gathered >= step).then(|| std::mem::take(&mut *gathered))
    };
    let Some(due) = due else {
        return Ok(());
    };
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    store::add_to_counter(&mut conn, FAILURES, start_of(MINUTE, now), due, i64::MAX).await?;
    let failures = store::sum_since(&mut conn, FAILURES, now - SPAN).await?;
    if failures <= settings.challenge_failures {
        return Ok(());
    }
    let ends_at = now + TimeDelta::seconds(settings.challenge_seconds);
    let reason = format!("{failures} wrong codes in ten minutes");
    let scope = Scope::Challenge.to_string();
    // An operator's own switch may last longer; it stays.
    if store::prolong_switch(&mut conn, &scope, &reason, now, ends_at).await? {
        metrics::counter!("auth_challenge_mode_total").increment(1);
        tracing::warn!(
            failures,
            "challenge mode: too many wrong codes over all phones"
        );
    }
    state.shield.snapshots.forget();
    Ok(())
}

/// One more sign of an attack from this address.
async fn note_source(state: &AppState, ip: IpAddr) -> Result<(), CodeError> {
    let source = model::source(ip);
    let most = state.settings.shield.source_failures;
    let limit = Limit::new(most, SPAN_SECONDS).widened(state.settings.budget_factor());
    let decision = state
        .stack
        .limiter
        .check(&format!("attack:{source}"), limit)
        .await;
    if !decision.allowed {
        block::raise(state, &source, "too many wrong codes").await?;
    }
    Ok(())
}

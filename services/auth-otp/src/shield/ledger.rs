//! Budgets over everything, counted in PostgreSQL and taken in batches.
//!
//! One row that every code updates would make all commits wait for one another. So a process takes a hundredth of a
//! budget at a time and spends that in memory: the sum of what is taken never passes the limit, a process that dies
//! loses at most its batch, and small limits are taken one by one.

use std::collections::HashMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use service_db::Db;
use tokio::sync::Mutex;

use super::store;
use crate::code::CodeError;
use crate::code::model::seconds_until;

/// A budget is taken in this many batches at least.
const BATCHES: i64 = 100;
/// More budgets than this are not held at once.
const MAX_HELD: usize = 10_000;

/// One demand on a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charge {
    /// The counter's name.
    pub(crate) scope: String,
    /// An hour or a day, from its start in UTC.
    pub(crate) window: TimeDelta,
    /// How much is needed.
    pub(crate) amount: i64,
    /// The most per window.
    pub(crate) limit: i64,
}

/// What this process holds of each budget: the window's start, and what is left in hand.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    held: Mutex<HashMap<String, (DateTime<Utc>, i64)>>,
}

impl Ledger {
    /// Takes all charges or none.
    ///
    /// # Errors
    /// [`CodeError::Throttled`] until the window of the spent budget ends; database failures.
    pub(crate) async fn take(
        &self,
        db: &Db,
        charges: &[Charge],
        now: DateTime<Utc>,
    ) -> Result<(), CodeError> {
        for (index, charge) in charges.iter().enumerate() {
            let taken = self.take_one(db, charge, now).await;
            match taken {
                Ok(true) => {}
                Ok(false) => {
                    self.give_back(&charges[..index], now).await;
                    metrics::counter!("auth_codes_refused_total", "reason" => "ceiling")
                        .increment(1);
                    let end = start_of(charge.window, now) + charge.window;
                    return Err(CodeError::Throttled(seconds_until(now, end)));
                }
                Err(error) => {
                    self.give_back(&charges[..index], now).await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Gives back what was taken for a code that was not sent.
    pub(crate) async fn give_back(&self, charges: &[Charge], now: DateTime<Utc>) {
        self.change(charges, now, |charge| charge.amount).await;
    }

    /// Books the difference when the provider charged something else. A dearer one is booked whatever the limit says:
    /// the money is spent.
    pub(crate) async fn correct(&self, charges: &[Charge], real: i64, now: DateTime<Utc>) {
        self.change(charges, now, |charge| charge.amount - real)
            .await;
    }

    async fn change(&self, charges: &[Charge], now: DateTime<Utc>, by: impl Fn(&Charge) -> i64) {
        let mut held = self.held.lock().await;
        for charge in charges {
            if let Some((start, left)) = held.get_mut(&charge.scope)
                && *start == start_of(charge.window, now)
            {
                *left += by(charge);
            }
        }
    }

    async fn take_one(
        &self,
        db: &Db,
        charge: &Charge,
        now: DateTime<Utc>,
    ) -> Result<bool, CodeError> {
        let start = start_of(charge.window, now);
        let mut held = self.held.lock().await;
        let in_hand = match held.get(&charge.scope) {
            Some((window, left)) if *window == start => *left,
            _ => 0,
        };
        if in_hand >= charge.amount {
            held.insert(charge.scope.clone(), (start, in_hand - charge.amount));
            return Ok(true);
        }
        let missing = charge.amount - in_hand;
        let batch = (charge.limit / BATCHES).max(missing);
        let mut conn = db.get().await?;
        let mut granted = None;
        for want in [batch, missing] {
            if store::add_to_counter(&mut conn, &charge.scope, start, want, charge.limit).await? {
                granted = Some(want);
                break;
            }
        }
        let Some(granted) = granted else {
            return Ok(false);
        };
        if held.len() >= MAX_HELD {
            held.retain(|_, (window, _)| *window + TimeDelta::days(1) > now);
        }
        held.insert(
            charge.scope.clone(),
            (start, in_hand + granted - charge.amount),
        );
        Ok(true)
    }
}

/// The start of the hour or day.
pub(crate) fn start_of(window: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(window).unwrap_or(now)
}

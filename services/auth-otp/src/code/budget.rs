//! How many codes may go where: counted in PostgreSQL, so that the loss of Redis opens nothing (Q-A2).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::error::CodeError;
use super::issue::SendCode;
use crate::settings::{CodeProfile, Settings};
use crate::shield::{Asker, Charge, ShieldSettings, model};
use crate::state::AppState;

/// Codes over everything.
pub(crate) const ALL_PER_HOUR: &str = "all-hour";
/// Rial over everything.
pub(crate) const RIAL_PER_HOUR: &str = "rial-hour";
/// The same per day.
pub(crate) const RIAL_PER_DAY: &str = "rial-day";
/// The number's block: all but its last four digits.
const BLOCK_DIGITS: usize = 4;
/// What a stopped caller is told when nobody said how long it lasts, in seconds.
pub(crate) const STOPPED_SECONDS: i64 = 300;

/// How a code travels, for its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carriage {
    Sms,
    Call,
}

/// What one send takes.
#[derive(Debug)]
pub(super) struct Demand {
    /// Hourly counters of this sender and receiver, in the order in which rows are locked.
    pub(super) scopes: Vec<String>,
    pub(super) limits: Vec<i64>,
    pub(super) per_hour: i64,
    pub(super) per_day: i64,
    /// Counts over everything.
    pub(super) counts: Vec<Charge>,
    /// Money over everything and of the organisation.
    pub(super) money: Vec<Charge>,
}

/// Refuses what no budget has to be asked about: the kill switches and the country.
pub(super) async fn check_open(
    state: &AppState,
    wish: &SendCode<'_>,
    asker: &Asker,
    now: DateTime<Utc>,
) -> Result<(), CodeError> {
    let shield = &state.settings.shield;
    if !shield.sending {
        return stopped(STOPPED_SECONDS);
    }
    let snapshot = state.shield.snapshots.get(state).await?;
    if let Some(ends_at) = snapshot.stop(wish.purpose, asker.organization, now) {
        return stopped(
            ends_at.map_or(STOPPED_SECONDS, |end| super::model::seconds_until(now, end)),
        );
    }
    let phone = wish.phone.e164();
    if !shield
        .allowed_prefixes
        .iter()
        .any(|prefix| phone.starts_with(prefix))
    {
        metrics::counter!("auth_codes_refused_total", "reason" => "country").increment(1);
        return Err(CodeError::NotAllowed);
    }
    Ok(())
}

fn stopped(seconds: i64) -> Result<(), CodeError> {
    metrics::counter!("auth_codes_refused_total", "reason" => "stopped").increment(1);
    Err(CodeError::Stopped(seconds))
}

/// What this send takes from every budget.
pub(super) fn demand(
    settings: &Settings,
    wish: &SendCode<'_>,
    profile: &CodeProfile,
    asker: &Asker,
    carriage: Carriage,
) -> Demand {
    let budgets = &settings.budgets;
    let shield = &settings.shield;
    let factor = i64::from(settings.budget_factor());
    let wide = |limit: i64| limit.saturating_mul(factor);
    let phone = wish.phone.e164();
    let mut scopes = Vec::with_capacity(5);
    let mut limits = Vec::with_capacity(5);
    let mut count = |scope: String, limit: i64| {
        scopes.push(scope);
        limits.push(limit);
    };
    if let Some(limit) = profile.phone_per_hour {
        count(
            format!("phone:{}:{phone}", wish.purpose),
            wide(i64::from(limit)),
        );
    }
    if let Some(ip) = asker.ip {
        count(
            format!("ip:{}", model::source(ip)),
            wide(i64::from(budgets.ip_per_hour)),
        );
        count(
            format!("net:{}", model::network(ip)),
            wide(i64::from(budgets.network_per_hour)),
        );
    }
    let block = &phone[..phone.len().saturating_sub(BLOCK_DIGITS)];
    count(
        format!("block:{block}"),
        i64::from(settings.widened(budgets.prefix_per_hour)),
    );
    let mut counts = vec![Charge {
        scope: ALL_PER_HOUR.to_owned(),
        window: TimeDelta::hours(1),
        amount: 1,
        limit: i64::from(settings.widened(budgets.global_per_hour)),
    }];
    let price = match carriage {
        Carriage::Sms => shield.rial_per_sms,
        Carriage::Call => shield.rial_per_call,
    };
    if let Some(organization) = asker.organization {
        counts.push(Charge {
            scope: format!("org-hour:{organization}"),
            window: TimeDelta::hours(1),
            amount: 1,
            limit: wide(i64::from(budgets.organization_per_hour)),
        });
    }
    Demand {
        scopes,
        limits,
        per_hour: i64::from(settings.widened(budgets.phone_per_hour)),
        per_day: i64::from(settings.widened(budgets.phone_per_day)),
        counts,
        money: money(shield, price, asker.organization),
    }
}

/// What a text or call of this price takes from the ceilings of money.
pub(crate) fn money(
    shield: &ShieldSettings,
    price: i64,
    organization: Option<Uuid>,
) -> Vec<Charge> {
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let rial = |scope: String, window: TimeDelta, limit: i64| Charge {
        scope,
        window,
        amount: price,
        limit,
    };
    let mut charges = vec![
        rial(RIAL_PER_HOUR.to_owned(), hour, shield.rial_per_hour),
        rial(RIAL_PER_DAY.to_owned(), day, shield.rial_per_day),
    ];
    if let Some(organization) = organization {
        charges.push(rial(
            format!("org-rial-day:{organization}"),
            day,
            shield.organization_rial_per_day,
        ));
    }
    charges
}

impl Demand {
    /// Takes what is counted over everything.
    pub(super) async fn take_shared(
        &self,
        state: &AppState,
        now: DateTime<Utc>,
    ) -> Result<(), CodeError> {
        let (ledger, db) = (&state.shield.ledger, &state.stack.db);
        ledger.take(db, &self.counts, now).await?;
        if let Err(error) = ledger.take(db, &self.money, now).await {
            ledger.give_back(&self.counts, now).await;
            return Err(error);
        }
        Ok(())
    }

    /// Gives it back for a code that was not sent.
    pub(super) async fn give_back_shared(&self, state: &AppState, now: DateTime<Utc>) {
        state.shield.ledger.give_back(&self.counts, now).await;
        state.shield.ledger.give_back(&self.money, now).await;
    }

    /// Books what the provider really charged, when it said so.
    pub(super) async fn settle(&self, state: &AppState, cost: Option<i64>, now: DateTime<Utc>) {
        if let Some(cost) = cost.filter(|cost| *cost >= 0) {
            state.shield.ledger.correct(&self.money, cost, now).await;
        }
    }
}

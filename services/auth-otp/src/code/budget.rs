//! How many codes may go where: counted in PostgreSQL, so that the loss of Redis opens nothing (Q-A2).

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;

use super::error::CodeError;
use super::model::seconds_until;
use super::store;
use crate::settings::Settings;

/// The number's block: all but its last four digits.
const BLOCK_DIGITS: usize = 4;

/// Takes one from every budget, narrowest first.
pub(super) async fn take(
    conn: &mut AsyncPgConnection,
    settings: &Settings,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), CodeError> {
    let budgets = &settings.budgets;
    let block = &phone[..phone.len().saturating_sub(BLOCK_DIGITS)];
    let (hour, day) = (TimeDelta::hours(1), TimeDelta::days(1));
    let scopes = [
        (
            format!("phone-hour:{phone}"),
            hour,
            settings.widened(budgets.phone_per_hour),
        ),
        (
            format!("phone-day:{phone}"),
            day,
            settings.widened(budgets.phone_per_day),
        ),
        (
            format!("block-hour:{block}"),
            hour,
            settings.widened(budgets.prefix_per_hour),
        ),
        (
            "all-hour".to_owned(),
            hour,
            settings.widened(budgets.global_per_hour),
        ),
    ];
    for (scope, window, limit) in &scopes {
        let start = now.duration_trunc(*window).unwrap_or(now);
        if !store::count_send(conn, scope, start, *limit).await? {
            metrics::counter!("auth_codes_refused_total", "reason" => "budget").increment(1);
            return Err(CodeError::Throttled(seconds_until(now, start + *window)));
        }
    }
    Ok(())
}

/// Refuses while the phone rests after too many wrong codes in a row.
pub(super) async fn check_ceiling(
    conn: &mut AsyncPgConnection,
    settings: &Settings,
    phone: &str,
    now: DateTime<Utc>,
) -> Result<(), CodeError> {
    let Some((failures, failed_at)) = store::find_failures(conn, phone).await? else {
        return Ok(());
    };
    let rested_at = failed_at + TimeDelta::seconds(settings.budgets.rest_seconds);
    if failures >= settings.budgets.failure_ceiling && now < rested_at {
        metrics::counter!("auth_codes_refused_total", "reason" => "ceiling").increment(1);
        return Err(CodeError::Throttled(seconds_until(now, rested_at)));
    }
    Ok(())
}

//! Windows, limits and prices: pure.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use common_types::internal::integrations::{AiLimitExceeded, AiUsage};
use uuid::Uuid;

use crate::settings::Price;

/// The windows in which limits count.
const PERIODS: [&str; 2] = ["monthly", "daily"];
/// The scope of all calls together.
const PLATFORM: &str = "platform";

/// What a call is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) scope: &'static str,
    pub(crate) scope_id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) period: &'static str,
}

/// The counters of a call in the order in which they are locked; the one that all calls share comes last, so that it is held
/// for the shortest time.
pub(crate) fn counters(
    organization_id: Uuid,
    workspace: Option<Uuid>,
    user: Option<Uuid>,
) -> Vec<Counter> {
    let scopes = [
        Some(("organization", organization_id)),
        workspace.map(|id| ("workspace", id)),
        user.map(|id| ("user", id)),
    ];
    let mut all: Vec<Counter> = scopes
        .into_iter()
        .flatten()
        .flat_map(|(scope, scope_id)| {
            PERIODS.map(|period| Counter {
                scope,
                scope_id,
                organization_id,
                period,
            })
        })
        .collect();
    all.push(Counter {
        scope: PLATFORM,
        scope_id: Uuid::nil(),
        organization_id: Uuid::nil(),
        period: "daily",
    });
    all
}

/// The bound on what all calls together cost in a day; 0 is none.
pub(crate) fn platform_limit(daily_spend_micros: i64) -> Option<Limit> {
    (daily_spend_micros > 0).then(|| Limit {
        scope: PLATFORM.to_owned(),
        scope_id: Uuid::nil(),
        period: "daily".to_owned(),
        requests: None,
        tokens: None,
        cost_micros: Some(daily_spend_micros),
    })
}

/// Whether a text can be a model's name; nothing else is sent to a provider or written into a log.
pub(crate) fn is_model_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte))
}

/// First day of the window that holds `at`.
pub(crate) fn window_start(period: &str, at: DateTime<Utc>) -> NaiveDate {
    let day = at.date_naive();
    if period == "monthly" {
        day.with_day(1).unwrap_or(day)
    } else {
        day
    }
}

/// When the window that begins at `start` ends.
pub(crate) fn window_end(period: &str, start: NaiveDate) -> Option<DateTime<Utc>> {
    let next = if period == "monthly" {
        start.checked_add_months(Months::new(1))?
    } else {
        start.checked_add_days(Days::new(1))?
    };
    Some(next.and_time(NaiveTime::MIN).and_utc())
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) requests: i64,
    pub(crate) tokens: i64,
    pub(crate) cost_micros: i64,
}

/// A limit as stored; `None` is unlimited.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) scope: String,
    pub(crate) scope_id: Uuid,
    pub(crate) period: String,
    pub(crate) requests: Option<i64>,
    pub(crate) tokens: Option<i64>,
    pub(crate) cost_micros: Option<i64>,
}

/// The first kind that `reserved` on top of `used` would overdraw, or that is spent already. (A reservation of nothing, such
/// as the cost of a free model, passes a limit that is exactly used up, but not one that is overdrawn.)
pub(crate) fn exceeded(
    limit: &Limit,
    used: Amount,
    reserved: Amount,
    now: DateTime<Utc>,
) -> Option<AiLimitExceeded> {
    let kinds = [
        (
            "cost",
            limit.cost_micros,
            used.cost_micros,
            reserved.cost_micros,
        ),
        ("requests", limit.requests, used.requests, reserved.requests),
        ("tokens", limit.tokens, used.tokens, reserved.tokens),
    ];
    kinds
        .into_iter()
        .find_map(|(kind, limit_value, used, reserved)| {
            let limit_value = limit_value?;
            (used.saturating_add(reserved) > limit_value).then(|| AiLimitExceeded {
                scope: limit.scope.clone(),
                kind: kind.to_owned(),
                limit: limit_value,
                used,
                period: limit.period.clone(),
                reset_at: window_end(&limit.period, window_start(&limit.period, now)),
            })
        })
}

/// Price of a call in millionths of a US dollar, rounded up.
pub(crate) fn cost(price: Price, prompt_tokens: i64, completion_tokens: i64) -> i64 {
    let thousandths = i128::from(price.prompt) * i128::from(prompt_tokens.max(0))
        + i128::from(price.completion) * i128::from(completion_tokens.max(0));
    i64::try_from((thousandths + 999) / 1_000).unwrap_or(i64::MAX)
}

/// [`cost`] of a usage.
pub(crate) fn cost_of(price: Price, usage: &AiUsage) -> i64 {
    cost(price, usage.prompt_tokens, usage.completion_tokens)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn limit(cost_micros: Option<i64>, requests: Option<i64>) -> Limit {
        Limit {
            scope: "workspace".into(),
            scope_id: Uuid::nil(),
            period: "monthly".into(),
            requests,
            tokens: None,
            cost_micros,
        }
    }

    #[test]
    fn windows_begin_and_end_in_utc() {
        let at = Utc.with_ymd_and_hms(2026, 12, 31, 23, 59, 59).unwrap();
        assert_eq!(window_start("monthly", at).to_string(), "2026-12-01");
        assert_eq!(
            window_end("monthly", window_start("monthly", at))
                .unwrap()
                .to_rfc3339(),
            "2027-01-01T00:00:00+00:00"
        );
        assert_eq!(
            window_end("daily", window_start("daily", at))
                .unwrap()
                .to_rfc3339(),
            "2027-01-01T00:00:00+00:00"
        );
    }

    #[test]
    fn c04_a_limit_holds_exactly() {
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 0, 0, 0).unwrap();
        let used = Amount {
            requests: 9,
            tokens: 0,
            cost_micros: 1_500_000,
        };
        let one = Amount {
            requests: 1,
            tokens: 10,
            cost_micros: 0,
        };
        assert!(exceeded(&limit(None, Some(10)), used, one, now).is_none());
        assert_eq!(
            exceeded(&limit(None, Some(9)), used, one, now)
                .unwrap()
                .kind,
            "requests"
        );
        let spent = exceeded(&limit(Some(1_000_000), None), used, one, now).unwrap();
        assert_eq!(
            (spent.kind.as_str(), spent.used),
            ("cost", 1_500_000),
            "overdrawn refuses free calls too"
        );
    }

    #[test]
    fn costs_round_up() {
        let price = Price {
            prompt: 30,
            completion: 60,
        };
        assert_eq!(cost(price, 1, 0), 1);
        assert_eq!(cost(price, 1_000, 1_000), 90);
        assert_eq!(
            cost(
                Price {
                    prompt: i64::MAX,
                    completion: i64::MAX
                },
                i64::MAX,
                i64::MAX
            ),
            i64::MAX
        );
    }
}

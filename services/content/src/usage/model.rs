//! Windows, amounts and sentences of usage. Pure.

use chrono::{
    DateTime, Datelike as _, Days, FixedOffset, NaiveDate, NaiveTime, TimeZone as _, Utc,
};
use common_types::internal::integrations::AiLimitExceeded;
use serde_json::Value;

/// Millionths in one US dollar.
pub(crate) const DOLLAR: i64 = 1_000_000;
/// Dollars with two decimals, at most ten digits (wire.md 6.2: `"1.00"`).
const MAX_COST_CENTS: i64 = 9_999_999_999;

/// What was used in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) requests: i64,
    pub(crate) tokens: i64,
    pub(crate) cost_micros: i64,
}

/// What may be used in a window; none is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) requests: Option<i64>,
    pub(crate) tokens: Option<i64>,
    pub(crate) cost_micros: Option<i64>,
}

/// The sentence for the first bound that is spent, in the replaced system's words.
pub(crate) fn spent(period: &str, bounds: Bounds, used: Used) -> Option<String> {
    if let Some(limit) = bounds
        .cost_micros
        .filter(|limit| used.cost_micros >= *limit)
    {
        let period = if period == "daily" {
            "Daily"
        } else {
            "Monthly"
        };
        return Some(format!(
            "{period} budget exceeded: ${}/${}",
            dollars(used.cost_micros),
            dollars(limit)
        ));
    }
    if let Some(limit) = bounds.requests.filter(|limit| used.requests >= *limit) {
        return Some(format!("Request limit exceeded: {}/{limit}", used.requests));
    }
    bounds
        .tokens
        .filter(|limit| used.tokens >= *limit)
        .map(|limit| format!("Token limit exceeded: {}/{limit}", used.tokens))
}

/// The sentence for a limit that integrations found spent.
pub(crate) fn describe(limit: &AiLimitExceeded) -> String {
    let bound = Some(limit.limit);
    let used = Used {
        requests: limit.used,
        tokens: limit.used,
        cost_micros: limit.used,
    };
    let bounds = match limit.kind.as_str() {
        "cost" => Bounds {
            cost_micros: bound,
            ..Bounds::default()
        },
        "tokens" => Bounds {
            tokens: bound,
            ..Bounds::default()
        },
        _ => Bounds {
            requests: bound,
            ..Bounds::default()
        },
    };
    // A reservation may be refused a little before the bound is reached.
    spent(&limit.period, bounds, used)
        .unwrap_or_else(|| format!("Usage limit exceeded: {}", limit.kind))
}

/// When the window that holds `now` began: the clinic's day or calendar month.
pub(crate) fn window_start(period: &str, now: DateTime<Utc>, offset_minutes: i32) -> DateTime<Utc> {
    let offset = FixedOffset::east_opt(offset_minutes * 60)
        .unwrap_or_else(|| FixedOffset::east_opt(0).expect("zero is in range"));
    let today = now.with_timezone(&offset).date_naive();
    let first = if period == "daily" {
        today
    } else {
        today.with_day(1).unwrap_or(today)
    };
    start_of(first, offset).unwrap_or(now)
}

fn start_of(day: NaiveDate, offset: FixedOffset) -> Option<DateTime<Utc>> {
    let midnight = offset
        .from_local_datetime(&day.and_time(NaiveTime::MIN))
        .single()?;
    Some(midnight.with_timezone(&Utc))
}

/// When the period of a summary began; `None` for `all`.
pub(crate) fn summary_start(
    period: &str,
    now: DateTime<Utc>,
    offset_minutes: i32,
) -> Option<DateTime<Utc>> {
    match period {
        "all" => None,
        "weekly" => now.checked_sub_days(Days::new(7)),
        other => Some(window_start(other, now, offset_minutes)),
    }
}

/// `1500000` as `1.50`, rounded half up to cents.
pub(crate) fn dollars(micros: i64) -> String {
    let cents = (micros + 5_000).div_euclid(10_000);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// `1234` as `0.001234`.
pub(crate) fn six_decimals(micros: i64) -> String {
    format!("{}.{:06}", micros / DOLLAR, micros % DOLLAR)
}

/// `1234` milliseconds as `1.234`.
pub(crate) fn seconds(milliseconds: i64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Reads `"1.00"`, `"1"`, `1` or `1.5` as millionths; `None` when it is no amount with at most two decimals.
pub(crate) fn parse_dollars(value: &Value) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 8
        || fraction.len() > 2
        || !digits(whole)
        || !digits(fraction)
    {
        return None;
    }
    let cents = whole.parse::<i64>().ok()? * 100 + format!("{fraction:0<2}").parse::<i64>().ok()?;
    (cents <= MAX_COST_CENTS).then_some(cents * 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn c04_the_first_spent_bound_is_named() {
        let used = Used {
            requests: 5,
            tokens: 100,
            cost_micros: 1_500_000,
        };
        let cost = Bounds {
            cost_micros: Some(1_000_000),
            requests: Some(5),
            ..Bounds::default()
        };
        assert_eq!(
            spent("monthly", cost, used).unwrap(),
            "Monthly budget exceeded: $1.50/$1.00"
        );
        let requests = Bounds {
            requests: Some(5),
            ..Bounds::default()
        };
        assert_eq!(
            spent("daily", requests, used).unwrap(),
            "Request limit exceeded: 5/5"
        );
        let tokens = Bounds {
            tokens: Some(99),
            requests: Some(6),
            ..Bounds::default()
        };
        assert_eq!(
            spent("daily", tokens, used).unwrap(),
            "Token limit exceeded: 100/99"
        );
        assert_eq!(spent("daily", Bounds::default(), used), None);
    }

    #[test]
    fn c05_the_month_begins_at_the_clinics_midnight() {
        let now: DateTime<Utc> = "2026-11-30T21:00:00Z".parse().unwrap();
        assert_eq!(
            window_start("monthly", now, 210).to_rfc3339(),
            "2026-11-30T20:30:00+00:00"
        );
        assert_eq!(
            window_start("monthly", now, 0).to_rfc3339(),
            "2026-11-01T00:00:00+00:00"
        );
        assert_eq!(
            window_start("daily", now, 0).to_rfc3339(),
            "2026-11-30T00:00:00+00:00"
        );
        assert_eq!(summary_start("all", now, 0), None);
        assert_eq!(
            summary_start("weekly", now, 0).unwrap().to_rfc3339(),
            "2026-11-23T21:00:00+00:00"
        );
    }

    #[rstest]
    #[case(json!("1.00"), Some(1_000_000))]
    #[case(json!(1), Some(1_000_000))]
    #[case(json!(1.5), Some(1_500_000))]
    #[case(json!("0.05"), Some(50_000))]
    #[case(json!("1.005"), None)]
    #[case(json!("-1"), None)]
    #[case(json!("1e9"), None)]
    #[case(json!(""), None)]
    #[case(json!(true), None)]
    fn c04_money_is_read_exactly(#[case] value: Value, #[case] micros: Option<i64>) {
        assert_eq!(parse_dollars(&value), micros);
    }

    #[test]
    fn amounts_are_shown_as_the_contract_shows_them() {
        assert_eq!(dollars(1_000_000), "1.00");
        assert_eq!(six_decimals(1_234), "0.001234");
        assert_eq!(seconds(1_234), "1.234");
    }
}

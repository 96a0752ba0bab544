//! What a rule would have refused, from the log.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use super::model::{self, Called, Replay, Rule, Who};
use crate::{
    AppState,
    log::store::{PastCall, list_past_calls},
};

/// Calls that are looked at.
const MOST: i64 = 50_000;

fn concerns(rule: &Rule, call: &PastCall) -> bool {
    rule.binds(call.organization_id)
        && (rule.covers(Called::Action(&call.action, call.provider_id))
            || (!call.endpoint.is_empty() && rule.covers(Called::Path(&call.endpoint))))
}

fn who(call: &PastCall) -> Who {
    Who {
        user: call.user_id.map(|id| format!("user:{id}")),
        organization: call.organization_id,
        ip: call.ip_address.as_deref().and_then(|ip| ip.parse().ok()),
    }
}

/// Replays the newest calls of `days` through `rule`; `organization` narrows what its admin may see.
pub(super) async fn dry_run(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    rule: &Rule,
    organization: Option<Uuid>,
    days: i64,
) -> diesel::QueryResult<Value> {
    let since = model::since(state.now(), days);
    let narrowed = organization.or(rule.organization_id);
    let mut calls = list_past_calls(conn, narrowed, since, MOST).await?;
    let truncated = i64::try_from(calls.len()).is_ok_and(|count| count == MOST);
    calls.reverse();
    let Replay {
        calls,
        refused,
        first_refused_at,
        last_refused_at,
        most_refused,
    } = model::replay(
        rule,
        calls
            .iter()
            .filter(|call| concerns(rule, call))
            .map(|call| (call.created_at, rule.counted_by(&who(call)))),
    );
    Ok(json!({
        "period_days": days,
        "calls": calls,
        "refused": refused,
        "first_refused_at": first_refused_at,
        "last_refused_at": last_refused_at,
        "most_refused": most_refused,
        "truncated": truncated,
    }))
}

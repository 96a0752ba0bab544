//! The rules in force, read from the database and held for seconds, and the counting by them.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;
use parking_lot::Mutex;
use serde_json::json;
use service_http::{ApiError, Decision, Limit};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    model::{Called, Rule},
    store,
};
use crate::{
    AppState, log,
    log::store::{NewLog, insert_log},
};

pub(crate) use super::model::Who;

/// Another process knows a changed rule at most this long after.
const HELD: Duration = Duration::from_secs(5);
/// Refusals of a rule are written into the log at most this often; all of them are counted in the metrics.
const LOGGED: Limit = Limit::new(1, Duration::from_secs(10));

type Held = (Instant, Arc<Vec<Rule>>);

/// Reads and holds the rules.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    held: Arc<Mutex<Option<Held>>>,
}

impl Rules {
    /// Drops what is held, after a change.
    pub(crate) fn forget(&self) {
        *self.held.lock() = None;
    }

    /// The rules in force. While the database does not answer, those that were known last.
    pub(super) async fn live(&self, state: &AppState) -> Arc<Vec<Rule>> {
        let held = self.held.lock().clone();
        if let Some((read, rules)) = &held
            && read.elapsed() < HELD
        {
            return Arc::clone(rules);
        }
        let read = async {
            let mut conn = state.stack.db.get().await?;
            anyhow::Ok(store::list_live(&mut conn).await?)
        };
        match read.await {
            Ok(rules) => {
                let rules = Arc::new(rules);
                *self.held.lock() = Some((Instant::now(), Arc::clone(&rules)));
                rules
            }
            Err(error) => {
                tracing::warn!(%error, "rate rules cannot be read; the last known ones count");
                held.map(|(_, rules)| rules).unwrap_or_default()
            }
        }
    }
}

/// Rules that speak of a call, as the caller is known by now.
pub(super) fn covering(rules: &[Rule], called: Called<'_>) -> Vec<Rule> {
    rules
        .iter()
        .filter(|rule| rule.covers(called))
        .cloned()
        .collect()
}

/// Takes one from the budget of each rule, or from none when one is spent. `None` when no rule counts this caller.
pub(super) async fn count(
    state: &AppState,
    rules: &[Rule],
    who: &Who,
    called: Called<'_>,
) -> Option<Decision> {
    let counted: Vec<(&Rule, String)> = rules
        .iter()
        .filter(|rule| rule.binds(who.organization))
        .filter_map(|rule| Some((rule, key(state, rule, &rule.counted_by(who)?))))
        .collect();
    if counted.is_empty() {
        return None;
    }
    let limits: Vec<(&str, Limit)> = counted
        .iter()
        .map(|(rule, key)| (key.as_str(), rule.limit()))
        .collect();
    let decision = state.stack.limiter.check_all(&limits).await;
    if !decision.allowed {
        let refusing = counted
            .iter()
            .find(|(rule, _)| rule.limit() == decision.limit)
            .map(|(rule, _)| *rule);
        if let Some(rule) = refusing {
            note(state, rule, who, called).await;
        }
    }
    Some(decision)
}

/// Keys hold nobody's address or id in clear.
fn key(state: &AppState, rule: &Rule, identity: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(&state.fingerprint_key);
    hash.update(identity.as_bytes());
    let digest = hash.finalize();
    format!("rule:{}:{}", rule.id.simple(), hex::encode(&digest[..16]))
}

/// Leaves a row of a refusal, but no flood of them.
async fn note(state: &AppState, rule: &Rule, who: &Who, called: Called<'_>) {
    metrics::counter!("integrations_rule_refusals_total", "rule" => rule.id.to_string())
        .increment(1);
    let sampled = state
        .stack
        .limiter
        .check(&format!("rulelog:{}", rule.id.simple()), LOGGED)
        .await;
    if !sampled.allowed {
        return;
    }
    let user = who
        .user
        .as_deref()
        .and_then(|user| user.strip_prefix("user:"))
        .and_then(|id| Uuid::parse_str(id).ok());
    let what = match called {
        Called::Path(_) => "route",
        Called::Action(action, _) => action,
    };
    let row = NewLog {
        provider_id: rule.provider_id,
        organization_id: who.organization,
        request_data: json!({"rule": rule.id, "scope": rule.scope.as_str(), "called": what}),
        status_code: Some(429),
        user: user.map(|id| (id, String::new())),
        ip_address: who.ip.map(|ip| ip.to_string()),
        ..NewLog::new("warning", "rate_limit", "rate_limited")
    };
    let written = async {
        let mut conn = state.stack.db.get().await?;
        anyhow::Ok(insert_log(&mut conn, row, state.now()).await?)
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "a refusal could not be logged");
    }
}

/// Counts an action by the rules that speak of it.
///
/// # Errors
/// Seconds until the next one is allowed.
pub(crate) async fn admit(
    state: &AppState,
    action: &str,
    provider: Option<Uuid>,
    who: &Who,
) -> Result<(), u64> {
    let called = Called::Action(action, provider);
    let rules = covering(&state.rules.live(state).await, called);
    match count(state, &rules, who, called).await {
        Some(decision) if !decision.allowed => {
            Err(u64::try_from(decision.wait.as_millis().div_ceil(1_000))
                .unwrap_or(u64::MAX)
                .max(1))
        }
        _ => Ok(()),
    }
}

/// Counts an action that a person asks for.
///
/// # Errors
/// 429 in helssa's words.
pub(crate) async fn admit_person(
    state: &AppState,
    action: &str,
    user: Uuid,
    organization: Option<Uuid>,
    ip: IpAddr,
) -> Result<(), ApiError> {
    let who = Who {
        user: Some(format!("user:{user}")),
        organization,
        ip: Some(ip),
    };
    admit(state, action, None, &who).await.map_err(throttled)
}

/// 429 with the body that helssa's clients know (wire.md 9.4).
pub(super) fn throttled(seconds: u64) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "request.throttled",
        log::LIMIT_REACHED,
    )
    .bare(json!({"success": false, "error": log::LIMIT_REACHED}))
    .retry_after(seconds)
}

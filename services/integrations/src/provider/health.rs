//! Health of a provider: on demand, and every 300 seconds with an alert after three failures.

use std::time::{Duration, Instant};

use anyhow::Context;
use common_types::events::integrations::{ProviderRecovered, ProviderUnhealthy};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use service_db::DbError;
use service_events::outbox;

use super::{admin_store, store};
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    providers::LiveProvider,
    state::SERVICE,
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Failures in a row after which an alert is raised.
const ALERT_AFTER: i32 = 3;

/// The body of a health check, or `None` when there is nothing to ask this provider.
pub(crate) async fn check(state: &AppState, provider: &LiveProvider) -> Option<Value> {
    let started = Instant::now();
    let asked = async {
        if let Some(client) = provider.messages(state, None) {
            return Some(client.health().await);
        }
        let client = provider.texts(state, None)?;
        Some(client.health().await.map(|report| match report {
            Value::Object(mut members) => {
                members.insert("provider".to_owned(), json!(provider.slug));
                Value::Object(members)
            }
            other => other,
        }))
    };
    let result = match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(None) => return None,
        Ok(Some(result)) => result,
        Err(_) => Err("Network error: no answer in time".to_owned()),
    };
    let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Some(match result {
        Ok(Value::Object(members)) => {
            let mut report = serde_json::Map::new();
            report.insert("status".to_owned(), json!("healthy"));
            report.insert("response_time_ms".to_owned(), json!(elapsed));
            report.extend(members);
            Value::Object(report)
        }
        Ok(_) => json!({"status": "healthy", "response_time_ms": elapsed}),
        Err(error) => json!({"status": "unhealthy", "error": error, "response_time_ms": elapsed}),
    })
}

/// Checks every live provider and records it; who became unhealthy, or well again, is told.
pub(crate) async fn check_all(state: &AppState) -> anyhow::Result<()> {
    let live = state.registry.live(state).await?;
    for provider in live.iter() {
        let Some(report) = check(state, provider).await else {
            continue;
        };
        let healthy = report["status"] == "healthy";
        metrics::gauge!("integrations_provider_healthy", "provider" => provider.slug.clone())
            .set(if healthy { 1.0 } else { 0.0 });
        state
            .stack
            .db
            .transaction(async |conn| keep(conn, state, provider, healthy, &report).await)
            .await
            .context("recording a health check")?;
    }
    state.stack.outbox.wake();
    Ok(())
}

async fn keep(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    provider: &LiveProvider,
    healthy: bool,
    report: &Value,
) -> Result<(), DbError> {
    let now = state.now();
    let Some(before) = admin_store::lock_settings(conn, provider.id).await? else {
        return Ok(());
    };
    let failures = store::update_health(conn, provider.id, healthy, report, now).await?;
    if failures == ALERT_AFTER {
        alarm(conn, state, provider, "health_check", failures, report).await?;
    }
    if healthy && before.consecutive_failures >= ALERT_AFTER {
        all_clear(conn, state, provider, "health_check").await?;
    }
    let balance = report["balance"].as_f64();
    let (Some(balance), Some(limit)) = (balance, before.settings["balance_alarm"].as_f64()) else {
        return Ok(());
    };
    metrics::gauge!("integrations_provider_balance", "provider" => provider.slug.clone())
        .set(balance);
    match (balance < limit, before.low_balance_since) {
        (true, None) => {
            admin_store::update_low_balance(conn, provider.id, Some(now)).await?;
            alarm(conn, state, provider, "low_balance", 0, report).await
        }
        (false, Some(_)) => {
            admin_store::update_low_balance(conn, provider.id, None).await?;
            all_clear(conn, state, provider, "low_balance").await
        }
        _ => Ok(()),
    }
}

async fn alarm(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    provider: &LiveProvider,
    reason: &'static str,
    failures: i32,
    report: &Value,
) -> Result<(), DbError> {
    let now = state.now();
    tracing::error!(alarm = "provider.unhealthy", provider = %provider.slug, reason, failures, "a provider needs someone");
    let event = ProviderUnhealthy {
        provider_id: provider.id,
        aggregate_version: now.timestamp_micros(),
        provider_slug: provider.slug.clone(),
        provider_type: provider.provider_type.clone(),
        reason: reason.to_owned(),
        failures,
        found_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    let log = NewLog {
        provider_id: Some(provider.id),
        response_data: report.clone(),
        error_message: match reason {
            "low_balance" => "the account holds less than balance_alarm".to_owned(),
            _ => format!("{failures} health checks failed in a row"),
        },
        ..NewLog::new("critical", "health", reason)
    };
    insert_log(conn, log, now).await?;
    Ok(())
}

async fn all_clear(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    provider: &LiveProvider,
    reason: &'static str,
) -> Result<(), DbError> {
    let now = state.now();
    tracing::info!(provider = %provider.slug, reason, "a provider is well again");
    let event = ProviderRecovered {
        provider_id: provider.id,
        aggregate_version: now.timestamp_micros(),
        provider_slug: provider.slug.clone(),
        provider_type: provider.provider_type.clone(),
        reason: reason.to_owned(),
        found_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    Ok(())
}

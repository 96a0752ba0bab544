//! Health of a provider: on demand, and every 300 seconds with an alert after three failures.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::store;
use crate::{
    AppState,
    log::store::{NewLog, insert_log},
    providers::LiveProvider,
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
        match provider.texts(state, None) {
            Some(client) => Some(client.health().await),
            None => None,
        }
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

/// Checks every live provider and records it.
pub(crate) async fn check_all(state: &AppState) -> anyhow::Result<()> {
    let live = state.registry.live(state).await?;
    for provider in live.iter() {
        let Some(report) = check(state, provider).await else {
            continue;
        };
        let healthy = report["status"] == "healthy";
        let now = state.now();
        let mut conn = state.stack.db.get().await?;
        let failures = store::update_health(&mut conn, provider.id, healthy, &report, now)
            .await
            .context("recording a health check")?;
        metrics::gauge!("integrations_provider_healthy", "provider" => provider.slug.clone())
            .set(if healthy { 1.0 } else { 0.0 });
        if failures == ALERT_AFTER {
            tracing::error!(provider = %provider.slug, failures, "a provider is unhealthy");
            let log = NewLog {
                provider_id: Some(provider.id),
                response_data: report,
                error_message: format!("{failures} health checks failed in a row"),
                ..NewLog::new("critical", "health", "health_check")
            };
            insert_log(&mut conn, log, now).await?;
        }
    }
    Ok(())
}

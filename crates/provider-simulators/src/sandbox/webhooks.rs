//! Posts due webhooks, signs them, repeats them until they are taken.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    model::{Delivery, MAX_ATTEMPTS, retry_pause},
    store::Sandbox,
};
use crate::settings::WebhookTarget;

const TIMEOUT: Duration = Duration::from_secs(15);
/// Pause when nothing waits; a new webhook ends it.
const IDLE: Duration = Duration::from_secs(60);

/// Lower-case hex HMAC-SHA256 of the raw body under the endpoint's secret: the `X-Signature` of contract I05.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// Runs until its task is aborted.
pub(crate) async fn dispatch(sandbox: Arc<Sandbox>, target: WebhookTarget) {
    let Ok(client) = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
    else {
        tracing::error!("no HTTP client: webhooks will not be sent");
        return;
    };
    loop {
        let (due, _) = sandbox.due(Utc::now());
        let tries = due.into_iter().map(|delivery| {
            let (client, target, sandbox) = (client.clone(), target.clone(), Arc::clone(&sandbox));
            tokio::spawn(async move { attempt(&client, &target, &sandbox, delivery).await })
        });
        for running in tries.collect::<Vec<_>>() {
            // A panicking try leaves its delivery due; the next round takes it again.
            let _ = running.await;
        }
        // Asked again only now, because failed tries were just given their next time.
        let (due, next) = sandbox.due(Utc::now());
        if !due.is_empty() {
            continue;
        }
        let pause = next
            .and_then(|at| (at - Utc::now()).to_std().ok())
            .unwrap_or(if next.is_some() { Duration::ZERO } else { IDLE });
        tokio::select! {
            () = sandbox.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn attempt(
    client: &reqwest::Client,
    target: &WebhookTarget,
    sandbox: &Sandbox,
    mut delivery: Delivery,
) {
    let sent = client
        .post(&target.url)
        .header("content-type", "application/json")
        .header(
            "x-signature",
            signature(&target.secret, delivery.body.as_bytes()),
        )
        .body(delivery.body.clone())
        .send()
        .await;
    delivery.attempts += 1;
    let now = Utc::now();
    match sent {
        Ok(answer) => {
            let status = answer.status();
            delivery.last_outcome = Some(status.as_u16().to_string());
            if status.is_success()
                || status == reqwest::StatusCode::GONE
                || delivery.attempts >= MAX_ATTEMPTS
            {
                delivery.finished_at = Some(now);
            }
        }
        Err(error) => {
            delivery.last_outcome = Some(
                if error.is_timeout() {
                    "timeout"
                } else {
                    "unreachable"
                }
                .to_owned(),
            );
            if delivery.attempts >= MAX_ATTEMPTS {
                delivery.finished_at = Some(now);
            }
        }
    }
    delivery.due_at = now + retry_pause(delivery.attempts);
    tracing::info!(event = %delivery.id, attempts = delivery.attempts, outcome = ?delivery.last_outcome, "webhook tried");
    if let Err(error) = sandbox.record_delivery(delivery) {
        tracing::error!(%error, "a webhook's outcome could not be stored");
    }
}

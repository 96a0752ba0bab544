//! Opening a payment at a provider, and at another one when that fails.

use std::time::Duration;

use serde_json::json;

use super::{Payment, PaymentError, check, insert, transitions};
use crate::{
    AppState,
    providers::{Opened, ProviderError},
};

/// How long a provider may take to open a payment; then another one is tried.
const PATIENCE: Duration = Duration::from_secs(6);

/// Opens the payment at its provider or, when that one refuses or does not answer, at the next that
/// takes the price. The payer has not been sent anywhere yet: what an earlier one may have opened
/// without telling us is shown to nobody and stays unpaid.
///
/// Answers the last provider's error; a doubt outweighs a refusal.
pub(super) async fn open_somewhere(
    state: &AppState,
    payment: &Payment,
) -> Result<Result<(&'static str, Opened), ProviderError>, PaymentError> {
    let order = check::order(payment);
    let first = state
        .providers
        .get(&payment.provider)
        .ok_or_else(|| anyhow::anyhow!("no provider {}", payment.provider))?;
    let others = state.providers.route(payment.price).into_iter();
    let others = others.filter(|other| other.slug() != first.slug());
    let mut tried = first.slug();
    let mut outcome = Err(ProviderError::Refused("no provider".to_owned()));
    let providers: Vec<_> = std::iter::once(first.clone()).chain(others).collect();
    for (index, provider) in providers.iter().enumerate() {
        if index > 0 {
            let mut conn = state.stack.db.get().await?;
            let (now, next) = (state.now(), provider.slug());
            if !transitions::switch_provider(&mut conn, payment.id, (tried, next), now).await? {
                // The worker or a repeat of this request has finished the start.
                break;
            }
            let details = json!({ "step": "failover", "from": tried, "to": next });
            insert::insert_log(&mut conn, payment.id, "request", details, now).await?;
            metrics::counter!("payments_failover_total", "from" => tried, "to" => next)
                .increment(1);
            tried = next;
        }
        let opened = match tokio::time::timeout(PATIENCE, provider.open(&order)).await {
            Ok(opened) => opened,
            Err(_) => Err(ProviderError::Unknown("no answer in time".to_owned())),
        };
        match opened {
            Ok(opened) => return Ok(Ok((tried, opened))),
            Err(error) => {
                tracing::warn!(payment = %payment.id, provider = tried, %error, "payment not opened here");
                outcome = match (outcome, error) {
                    (Err(doubt @ ProviderError::Unknown(_)), ProviderError::Refused(_)) => {
                        Err(doubt)
                    }
                    (_, error) => Err(error),
                };
            }
        }
    }
    Ok(outcome)
}

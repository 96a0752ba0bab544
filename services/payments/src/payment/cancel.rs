use uuid::Uuid;

use super::{
    Payment, PaymentError, Status,
    check::{self, check},
    find_payment, settle,
};
use crate::{
    AppState,
    providers::{ProviderError, ReportedState},
};

/// Gives an unpaid payment up: the provider is asked, told that nobody may pay it any more, and only
/// then it ends as `cancelled`. Money that arrives all the same is booked as ever.
///
/// # Errors
/// [`PaymentError::NotOpen`] when it is paid or ended, [`PaymentError::Unanswered`] when the provider
/// does not answer: the payment stays as it is.
pub async fn cancel(state: &AppState, id: Uuid) -> Result<Payment, PaymentError> {
    let payment = load(state, id).await?;
    if !payment.status.is_open() {
        return Err(PaymentError::NotOpen(payment.status.as_str()));
    }
    if payment.provider_reference.is_some() {
        let provider = state
            .providers
            .get(&payment.provider)
            .ok_or_else(|| anyhow::anyhow!("no provider {}", payment.provider))?;
        let unanswered = |error: ProviderError| PaymentError::Unanswered(error.to_string());
        let word = provider
            .status(check::asked(&payment))
            .await
            .map_err(unanswered)?;
        let closed = match word.state {
            ReportedState::Pending => provider.close(check::asked(&payment)).await,
            ReportedState::Paid => Err(ProviderError::Refused("paid".to_owned())),
            _ => Ok(()),
        };
        match closed {
            Ok(()) => {}
            Err(ProviderError::Refused(_)) => {
                let payment = check(state, id).await?;
                return Err(PaymentError::NotOpen(payment.status.as_str()));
            }
            Err(unknown) => return Err(unanswered(unknown)),
        }
    }
    let now = state.now();
    // Money may still arrive: it is asked about some times more.
    let next = super::model::next_check(0, false, false, now);
    state
        .stack
        .db
        .transaction(async |conn| {
            settle::end(conn, &payment, (Status::Cancelled, "cancelled"), next, now).await
        })
        .await?;
    state.stack.outbox.wake();
    load(state, id).await
}

async fn load(state: &AppState, id: Uuid) -> Result<Payment, PaymentError> {
    let mut conn = state.stack.db.get().await?;
    find_payment(&mut conn, id)
        .await?
        .ok_or(PaymentError::NotFound)
}

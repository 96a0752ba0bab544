//! Handlers of payments: CrazyMiner's routes, our own, and the page a payer's browser returns to.

pub(crate) mod actions;
pub(crate) mod browser;
pub(crate) mod crazyminer;
mod receipt;
pub(crate) mod v1;

use common_types::AccessClaims;
use service_http::{ApiError, Limit, Text};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Payment, PaymentError, StartPayment, check,
    guard::{self, Suspicion},
};
use crate::AppState;

/// The organisation in whose book the caller's money stands.
pub(crate) fn own_organization(claims: &AccessClaims) -> Result<Uuid, ApiError> {
    claims.org.ok_or_else(|| {
        ApiError::forbidden(
            "organization.required",
            Text::i18n(
                "برای این کار باید عضو یک مرکز باشید.",
                "Il faut appartenir à un établissement.",
                "You must belong to an organisation.",
            ),
        )
    })
}

/// Runs work to its end even when the caller goes away: a dropped connection must not leave a
/// payment between two steps.
pub(crate) async fn to_the_end<T, E>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<anyhow::Error> + Send + 'static,
{
    match tokio::spawn(work.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(panic) => Err(anyhow::Error::new(panic).into()),
    }
}

/// Counts the starts of one person.
pub(crate) async fn limit_starts(state: &AppState, person: Uuid) -> Result<(), ApiError> {
    let limit = Limit::per_minute(state.rules.starts_per_minute);
    state
        .stack
        .limiter
        .check(&format!("payments:start:{person}"), limit)
        .await
        .into_result()?;
    Ok(())
}

/// Asks the provider because somebody unauthenticated brought a hint; not more often than the limit.
pub(crate) async fn check_by_hint(
    state: &AppState,
    payment: Payment,
    hint: Option<String>,
) -> Result<Payment, ApiError> {
    let limit = Limit::per_minute(state.rules.hints_per_minute);
    state
        .stack
        .limiter
        .check(&format!("payments:hint:{}", payment.id), limit)
        .await
        .into_result()?;
    let state = state.clone();
    let checked = to_the_end(async move {
        if let Some(hint) = hint.filter(|hint| hint.len() <= 64) {
            let mut conn = state.stack.db.get().await?;
            super::add_hint(&mut conn, payment.id, &hint).await?;
        }
        check(&state, payment.id).await
    });
    checked.await.map_err(|error: PaymentError| error.into())
}

/// The rial/toman guard's word about an order.
pub(crate) async fn looks_wrong(
    state: &AppState,
    order: &StartPayment,
) -> Result<Option<Suspicion>, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let suspicion = guard::suspicion(&mut conn, order).await?;
    if let Some(suspicion) = suspicion {
        metrics::counter!("payments_suspicious_amounts_total", "kind" => suspicion.code())
            .increment(1);
    }
    Ok(suspicion)
}

/// Adds the guard's word to an answer; nothing when it has none.
pub(crate) fn warn(answer: &mut serde_json::Value, suspicion: Option<Suspicion>) {
    if let (Some(suspicion), Some(members)) = (suspicion, answer.as_object_mut()) {
        members.insert("warnings".to_owned(), serde_json::json!([suspicion.code()]));
    }
}

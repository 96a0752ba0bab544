use chrono::{DateTime, Utc};
use common_types::events::payments::{PaymentFailed, PaymentSettled};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_db::crash_point;
use service_events::outbox::{self, NewEvent};
use tracing::Span;
use uuid::Uuid;

use super::{Payment, PaymentError, Status, WALLET, insert, transitions};
use crate::{
    SERVICE,
    ledger::{self, AccountKey, Leg, Posting, TransferKind},
};

/// Settles a confirmed payment: state, event and ledger in the caller's transaction. Answers `false`
/// when it was settled before, whoever came first.
pub(crate) async fn settle(
    conn: &mut AsyncPgConnection,
    payment: &Payment,
    tracking_code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, PaymentError> {
    let Some(settled) = complete(conn, payment.id, tracking_code, now).await? else {
        return Ok(false);
    };
    book(conn, &settled, now).await?;
    Ok(true)
}

/// First half of [`settle`]: the state and its event. `None` when it was settled before. Whoever calls
/// it must [`book`] in the same transaction.
pub(crate) async fn complete(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    tracking_code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<Payment>, PaymentError> {
    let one = [(id, Span::current())];
    Ok(complete_all(conn, &one, tracking_code, now).await?.pop())
}

/// [`complete`] for many payments, each told in the trace of the request in whose span it is. Answers those that were not
/// settled before, in their order; whoever calls it must [`book_all`] them.
pub(crate) async fn complete_all(
    conn: &mut AsyncPgConnection,
    payments: &[(Uuid, Span)],
    tracking_code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Vec<Payment>, PaymentError> {
    let ids: Vec<Uuid> = payments.iter().map(|(id, _)| *id).collect();
    let mut settled = transitions::mark_completed(conn, &ids, tracking_code, now).await?;
    if settled.is_empty() {
        return Ok(settled);
    }
    settled.sort_by_key(|payment| ids.iter().position(|id| *id == payment.id));
    crash_point!("settle.after_status");
    let details = json!({ "outcome": "settled", "tracking_code": tracking_code });
    insert::insert_logs(conn, &settled, "verification", details, now).await?;
    let mut events = Vec::with_capacity(settled.len());
    for payment in &settled {
        let span = payments.iter().find(|(id, _)| *id == payment.id);
        let event = || NewEvent::of(SERVICE, &settled_event(payment, now), now);
        events.push(match span {
            Some((_, span)) => span.in_scope(event)?,
            None => event()?,
        });
    }
    outbox::emit_all(conn, events).await?;
    crash_point!("settle.after_event");
    Ok(settled)
}

fn settled_event(settled: &Payment, now: DateTime<Utc>) -> PaymentSettled {
    PaymentSettled {
        payment_id: settled.id,
        aggregate_version: settled.version,
        organization_id: settled.organization_id,
        purpose: settled.purpose,
        invoice_id: settled.invoice_id,
        payer: settled.payer_id,
        amount: settled.price.amount,
        currency: settled.price.currency,
        provider: settled.provider.clone(),
        provider_reference: settled.provider_reference.clone().unwrap_or_default(),
        settled_at: now,
    }
}

/// Second half of [`settle`]: the ledger. It comes last, because it locks the rows of the accounts until
/// the transaction ends, and a busy wallet is one row.
pub(crate) async fn book(
    conn: &mut AsyncPgConnection,
    settled: &Payment,
    now: DateTime<Utc>,
) -> Result<(), PaymentError> {
    book_all(conn, &[(settled, Span::current())], now).await
}

/// [`book`] for many payments, each told in the trace of the request in whose span it is.
pub(crate) async fn book_all(
    conn: &mut AsyncPgConnection,
    settled: &[(&Payment, Span)],
    now: DateTime<Utc>,
) -> Result<(), PaymentError> {
    let postings = settled.iter().map(|(payment, _)| posting(payment));
    let postings: Vec<Posting> = postings.collect::<Result<_, _>>()?;
    let spans = settled.iter().map(|(_, span)| span.clone());
    let told: Vec<(&Posting, Span)> = postings.iter().zip(spans).collect();
    ledger::post_all(conn, &told, now).await?;
    crash_point!("settle.after_ledger");
    for (payment, _) in settled {
        let purpose = payment.purpose.as_str();
        metrics::counter!("payments_settled_total", "purpose" => purpose).increment(1);
    }
    Ok(())
}

/// Ends an open payment without money. Answers `false` when it is no longer open.
pub(super) async fn end(
    conn: &mut AsyncPgConnection,
    payment: &Payment,
    (status, reason): (Status, &str),
    next_check_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, PaymentError> {
    let ended =
        transitions::mark_ended(conn, payment.id, (status, reason), next_check_at, now).await?;
    let Some(ended) = ended else { return Ok(false) };
    let event = PaymentFailed {
        payment_id: ended.id,
        aggregate_version: ended.version,
        organization_id: ended.organization_id,
        purpose: ended.purpose,
        invoice_id: ended.invoice_id,
        payer: ended.payer_id,
        amount: ended.price.amount,
        currency: ended.price.currency,
        provider: ended.provider.clone(),
        status: status.as_str().to_owned(),
        failed_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    metrics::counter!("payments_ended_total", "status" => status.as_str()).increment(1);
    Ok(true)
}

/// From what the provider owes us, or from the payer's wallet, to whom the money is for. A doctor's payment for a SOAPify user
/// never reaches the doctor's wallet (Y02): only a wallet charge does.
fn posting(payment: &Payment) -> Result<Posting, PaymentError> {
    let (organization, currency) = (payment.organization_id, payment.price.currency);
    let to = payment.beneficiary()?;
    let from = match (payment.provider.as_str(), payment.payer_id) {
        (WALLET, Some(payer)) => AccountKey::wallet(organization, payer, currency),
        (WALLET, None) => return Err(anyhow::anyhow!("a wallet payment without payer").into()),
        (provider, _) => AccountKey::clearing(organization, provider, currency),
    };
    Ok(Posting {
        organization_id: organization,
        kind: TransferKind::Settlement,
        reference: payment.id.to_string(),
        description: payment.description.clone(),
        legs: Leg::pair(from, to, payment.price.amount),
    })
}

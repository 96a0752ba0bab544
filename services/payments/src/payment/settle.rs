use chrono::{DateTime, Utc};
use common_types::events::payments::{PaymentFailed, PaymentSettled};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_events::outbox;

use super::{Payment, PaymentError, Purpose, Status, store, transitions};
use crate::{
    SERVICE,
    ledger::{self, AccountKey, Leg, Posting, TransferKind},
};

/// Books a confirmed payment: state, ledger and event in the caller's transaction. Answers `false`
/// when it was booked before, whoever came first.
pub(super) async fn settle(
    conn: &mut AsyncPgConnection,
    payment: &Payment,
    tracking_code: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, PaymentError> {
    let Some(settled) = transitions::mark_completed(conn, payment.id, tracking_code, now).await?
    else {
        return Ok(false);
    };
    ledger::post(conn, &posting(&settled)?, now).await?;
    let details = json!({ "outcome": "settled", "tracking_code": tracking_code });
    store::insert_log(conn, settled.id, "verification", details, now).await?;
    let event = PaymentSettled {
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
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    metrics::counter!("payments_settled_total", "purpose" => settled.purpose.as_str()).increment(1);
    Ok(true)
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

/// From what the provider owes us to whom the money is for. A doctor's payment for a SOAPify user
/// never reaches the doctor's wallet (Y02): only a wallet charge does.
fn posting(payment: &Payment) -> Result<Posting, PaymentError> {
    let (organization, currency) = (payment.organization_id, payment.price.currency);
    let to = match (payment.purpose, payment.payer_id) {
        (Purpose::WalletCharge, Some(payer)) => AccountKey::wallet(organization, payer, currency),
        (Purpose::WalletCharge, None) => {
            return Err(anyhow::anyhow!("a wallet charge without payer").into());
        }
        (Purpose::Soapify, _) => AccountKey::soapify_payable(organization, currency),
        (Purpose::Invoice, _) => AccountKey::invoice_receipts(organization, currency),
        (Purpose::Service, _) => AccountKey::service_income(organization, currency),
    };
    let from = AccountKey::clearing(organization, &payment.provider, currency);
    Ok(Posting {
        organization_id: organization,
        kind: TransferKind::Settlement,
        reference: payment.id.to_string(),
        description: payment.description.clone(),
        legs: Leg::pair(from, to, payment.price.amount),
    })
}

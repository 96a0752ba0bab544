use chrono::{DateTime, Utc};
use common_types::events::payments::PaymentRefunded;
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry};
use service_db::crash_point;
use service_events::outbox;
use service_http::idempotency::{self, Stored};
use uuid::Uuid;

use super::{
    Method, Refund, RefundError, RefundStatus,
    dto::RefundResponse,
    store::{self, NewRefund},
};
use crate::{
    AppState, SERVICE,
    ledger::{self, AccountKey, Leg, Posting, TransferKind},
    payment::{Origin, Payment, Purpose, Request, WALLET, find_payment, insert_log},
    reconciliation,
};

/// A refund that somebody asks for.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    /// The payment's organisation.
    pub organization_id: Uuid,
    /// The payment.
    pub payment_id: Uuid,
    /// Minor units; all that is left for `None`.
    pub amount: Option<i64>,
    /// How; the payment's own way for `None`.
    pub method: Option<Method>,
    /// Why, in words.
    pub reason: String,
    /// The desk's reference, for [`Method::Manual`].
    pub reference: Option<String>,
    /// Who asks.
    pub by: Uuid,
    /// From where; for the audit row.
    pub origin: Origin,
    /// The request's key.
    pub key: Request,
}

/// Begins a refund: in one transaction the money is set aside in payment and ledger, and the answer
/// is kept under the key. What goes into a wallet or over the desk is done at once; a provider is
/// asked by the worker, at once and until its answer is known.
///
/// # Errors
/// See [`RefundError`].
pub async fn request(state: &AppState, asked: &RefundRequest) -> Result<Stored, RefundError> {
    let (id, now) = (Uuid::now_v7(), state.now());
    let stored = state
        .stack
        .db
        .transaction(async |conn| {
            let key = &asked.key;
            let scope = (key.subject.as_str(), key.route);
            if let Some(earlier) = idempotency::begin(conn, scope, &key.key, &key.body_hash).await?
            {
                return Ok(earlier?);
            }
            let refund = begin(conn, state, asked, id, now).await?;
            let stored = Stored::json(
                actix_web::http::StatusCode::CREATED,
                &RefundResponse::from(&refund),
            )
            .map_err(anyhow::Error::from)?;
            idempotency::finish(conn, scope, &key.key, &key.body_hash, &stored).await?;
            Ok::<_, RefundError>(stored)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(stored)
}

async fn begin(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    asked: &RefundRequest,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Refund, RefundError> {
    let payment = find_payment(conn, asked.payment_id)
        .await?
        .filter(|payment| payment.organization_id == asked.organization_id)
        .ok_or(RefundError::UnknownPayment)?;
    let method = method_of(state, asked, &payment)?;
    if reconciliation::blocks_payment(conn, payment.id).await? {
        return Err(RefundError::Blocked);
    }
    let Some(amount) = store::reserve(conn, payment.id, asked.amount, now).await? else {
        return Err(match payment.status.has_money() {
            true => RefundError::TooMuch,
            false => RefundError::NotPaid(payment.status.as_str()),
        });
    };
    crash_point!("refund.after_reserve");
    let hold = ledger::post(conn, &hold_posting(&payment, id, amount)?, now).await?;
    let ceiling = state.rules.refund_approval_above.of(payment.price.currency);
    let status = match amount > ceiling {
        true => RefundStatus::AwaitingApproval,
        false => RefundStatus::Processing,
    };
    let new = NewRefund {
        id,
        payment: &payment,
        amount,
        method,
        status,
        reason: &asked.reason,
        reference: asked
            .reference
            .as_deref()
            .filter(|_| method == Method::Manual),
        requested_by: asked.by,
        hold_transfer_id: hold,
        next_check_at: (status == RefundStatus::Processing).then_some(now),
    };
    let refund = store::insert_refund(conn, &new, now).await?;
    crash_point!("refund.after_insert");
    let entry = audit(asked.by, "refund.requested", &refund, &asked.origin, now);
    service_audit::record(conn, entry).await?;
    match (status, method) {
        (RefundStatus::Processing, Method::Wallet | Method::Manual) => {
            finish(conn, &refund, None, now).await
        }
        _ => Ok(refund),
    }
}

/// The way the money goes: as asked for, if that is possible; else back the way it came.
fn method_of(
    state: &AppState,
    asked: &RefundRequest,
    payment: &Payment,
) -> Result<Method, RefundError> {
    let paid_by_wallet = payment.provider == WALLET;
    let method = asked.method.unwrap_or(match paid_by_wallet {
        true => Method::Wallet,
        false => Method::Provider,
    });
    let possible = match method {
        Method::Provider => state
            .providers
            .get(&payment.provider)
            .is_some_and(|provider| provider.refunds().is_some()),
        // A charge does not go back into the wallet it charged.
        Method::Wallet => payment.payer_id.is_some() && payment.purpose != Purpose::WalletCharge,
        Method::Manual => !paid_by_wallet,
    };
    if !possible {
        return Err(RefundError::MethodNotPossible(method.as_str()));
    }
    if method == Method::Manual && asked.reference.is_none() {
        return Err(RefundError::ReferenceRequired);
    }
    Ok(method)
}

/// A second person says yes: the refund goes on as if it had needed nobody.
///
/// # Errors
/// See [`RefundError`].
pub async fn approve(
    state: &AppState,
    (organization, id): (Uuid, Uuid),
    by: Uuid,
    origin: &Origin,
) -> Result<Refund, RefundError> {
    let now = state.now();
    let refund = state
        .stack
        .db
        .transaction(async |conn| {
            let decision = (RefundStatus::Processing, by, None);
            let refund = store::decide(conn, (organization, id), decision, Some(now), now).await?;
            let Some(refund) = refund else {
                return Err(not_decided(conn, (organization, id), by).await?);
            };
            service_audit::record(conn, audit(by, "refund.approved", &refund, origin, now)).await?;
            match refund.method {
                Method::Provider => Ok(refund),
                Method::Wallet | Method::Manual => finish(conn, &refund, None, now).await,
            }
        })
        .await?;
    state.stack.outbox.wake();
    Ok(refund)
}

/// A second person says no: the money returns to where it was.
///
/// # Errors
/// See [`RefundError`].
pub async fn reject(
    state: &AppState,
    (organization, id): (Uuid, Uuid),
    (by, why): (Uuid, &str),
    origin: &Origin,
) -> Result<Refund, RefundError> {
    let now = state.now();
    let refund = state
        .stack
        .db
        .transaction(async |conn| {
            let decision = (RefundStatus::Rejected, by, Some(why));
            let refund = store::decide(conn, (organization, id), decision, None, now).await?;
            let Some(refund) = refund else {
                return Err(not_decided(conn, (organization, id), by).await?);
            };
            give_up(conn, &refund, now).await?;
            service_audit::record(conn, audit(by, "refund.rejected", &refund, origin, now)).await?;
            Ok(refund)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(refund)
}

async fn not_decided(
    conn: &mut AsyncPgConnection,
    (organization, id): (Uuid, Uuid),
    by: Uuid,
) -> Result<RefundError, RefundError> {
    Ok(match store::find_refund(conn, organization, id).await? {
        None => RefundError::NotFound,
        Some(refund)
            if refund.status == RefundStatus::AwaitingApproval && refund.requested_by == by =>
        {
            RefundError::SamePerson
        }
        Some(_) => RefundError::NotWaiting,
    })
}

/// The money has gone back: ledger, refund, payment and event in the caller's transaction. A refund
/// that somebody finished before is answered as it stands.
pub(super) async fn finish(
    conn: &mut AsyncPgConnection,
    refund: &Refund,
    reference: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Refund, RefundError> {
    let payment = find_payment(conn, refund.payment_id)
        .await?
        .ok_or(RefundError::UnknownPayment)?;
    let posting = Posting {
        organization_id: refund.organization_id,
        kind: TransferKind::Refund,
        reference: refund.id.to_string(),
        description: refund.reason.clone(),
        legs: Leg::pair(
            in_transit(refund),
            destination(refund, &payment)?,
            refund.price.amount,
        ),
    };
    // The ledger knows a refund's transfer once: who comes second is refused here.
    let transfer = match ledger::post(conn, &posting, now).await {
        Ok(transfer) => transfer,
        Err(error) => return Err(error.into()),
    };
    crash_point!("refund.after_ledger");
    let Some(done) = store::mark_succeeded(conn, refund.id, (reference, transfer), now).await?
    else {
        return Err(RefundError::NotWaiting);
    };
    let after = store::count_refunded(conn, refund, now).await?;
    crash_point!("refund.after_payment");
    let details =
        json!({ "outcome": "refunded", "refund_id": done.id, "amount": done.price.amount });
    insert_log(conn, payment.id, "verification", details, now).await?;
    let event = PaymentRefunded {
        payment_id: payment.id,
        aggregate_version: after.version,
        organization_id: payment.organization_id,
        refund_id: done.id,
        purpose: payment.purpose,
        invoice_id: payment.invoice_id,
        amount: done.price.amount,
        total_refunded: after.refunded_amount,
        currency: done.price.currency,
        is_full: after.status == "refunded",
        refunded_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    metrics::counter!("payments_refunds_total", "method" => done.method.as_str()).increment(1);
    Ok(done)
}

/// Nothing went back: what was set aside returns, in the caller's transaction.
pub(super) async fn give_up(
    conn: &mut AsyncPgConnection,
    refund: &Refund,
    now: DateTime<Utc>,
) -> Result<(), RefundError> {
    ledger::reverse(conn, refund.hold_transfer_id, "refund not made", now).await?;
    crash_point!("refund.after_release");
    store::release(conn, refund, now).await?;
    Ok(())
}

fn hold_posting(payment: &Payment, refund: Uuid, amount: i64) -> Result<Posting, RefundError> {
    let (organization_id, currency) = (payment.organization_id, payment.price.currency);
    let from = payment.beneficiary().map_err(RefundError::Unexpected)?;
    Ok(Posting {
        organization_id,
        kind: TransferKind::RefundHold,
        reference: refund.to_string(),
        description: String::new(),
        legs: Leg::pair(
            from,
            AccountKey::refunds_in_transit(organization_id, currency),
            amount,
        ),
    })
}

fn in_transit(refund: &Refund) -> AccountKey {
    AccountKey::refunds_in_transit(refund.organization_id, refund.price.currency)
}

/// Where the money goes: what the provider owes us shrinks, a wallet grows, or the till empties.
fn destination(refund: &Refund, payment: &Payment) -> Result<AccountKey, RefundError> {
    let (organization, currency) = (refund.organization_id, refund.price.currency);
    Ok(match (refund.method, payment.payer_id) {
        (Method::Provider, _) => AccountKey::clearing(organization, &refund.provider, currency),
        (Method::Wallet, Some(payer)) => AccountKey::wallet(organization, payer, currency),
        (Method::Wallet, None) => {
            return Err(anyhow::anyhow!("a refund into nobody's wallet").into());
        }
        (Method::Manual, _) => AccountKey::till(organization, "refunds", currency),
    })
}

fn audit(
    by: Uuid,
    action: &'static str,
    refund: &Refund,
    origin: &Origin,
    now: DateTime<Utc>,
) -> AuditEntry {
    let details: Value = json!({
        "refund_id": refund.id,
        "amount": refund.price.amount,
        "currency": refund.price.currency.code(),
        "method": refund.method.as_str(),
        "status": refund.status.as_str(),
    });
    AuditEntry::new(by.to_string(), ActorKind::User, action, now)
        .subject("payment", refund.payment_id)
        .organization(Some(refund.organization_id))
        .origin(Some(origin.ip), origin.request_id.clone())
        .details(details)
}

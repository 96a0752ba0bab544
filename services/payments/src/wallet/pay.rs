use chrono::{DateTime, TimeDelta, Utc};
use common_types::Money;
use serde_json::Value;
use service_db::crash_point;
use service_http::idempotency::{self, Stored};
use uuid::Uuid;

use crate::{
    AppState,
    payment::{
        Origin, Payment, PaymentError, Purpose, Request, StartPayment, WALLET, book, complete,
        insert_payment, started_audit,
    },
};

/// What is paid from a wallet.
#[derive(Debug, Clone)]
pub struct PayFromWallet {
    /// The organisation in whose book the wallet stands.
    pub organization_id: Uuid,
    /// Whose wallet.
    pub owner: Uuid,
    /// How much.
    pub price: Money,
    /// The invoice; a service of the platform for `None`.
    pub invoice_id: Option<Uuid>,
    /// In words.
    pub description: String,
    /// From where; for the audit row.
    pub origin: Origin,
    /// The request's key.
    pub key: Request,
}

/// Pays from a wallet: payment, ledger, event and the kept answer in one transaction. The wallet pays
/// the whole amount or nothing.
///
/// # Errors
/// [`PaymentError::InsufficientFunds`], [`PaymentError::BadAmount`], a refusal of the key, or when the
/// database does not answer.
pub async fn pay<R>(
    state: &AppState,
    asked: &PayFromWallet,
    render: R,
) -> Result<Stored, PaymentError>
where
    R: Fn(&Payment) -> Value + Send + Sync,
{
    if asked.price.amount <= 0 || asked.price.amount > state.rules.max_amount {
        return Err(PaymentError::BadAmount);
    }
    let (id, now) = (Uuid::now_v7(), state.now());
    let order = order(asked);
    let stored = state
        .stack
        .db
        .transaction(async |conn| {
            let key = &asked.key;
            let scope = (key.subject.as_str(), key.route);
            let earlier = idempotency::begin(conn, scope, &key.key, &key.body_hash).await?;
            if let Some(earlier) = earlier {
                return Ok(earlier?);
            }
            let times = (now, expiry(now));
            insert_payment(conn, id, &order, WALLET, times).await?;
            service_audit::record(conn, started_audit(id, &order, now)).await?;
            crash_point!("wallet.after_payment");
            let settled = complete(conn, id, None, now)
                .await?
                .ok_or_else(|| anyhow::anyhow!("a new payment was settled before"))?;
            let stored = Stored::json(actix_web::http::StatusCode::CREATED, &render(&settled))
                .map_err(anyhow::Error::from)?;
            idempotency::finish(conn, scope, &key.key, &key.body_hash, &stored).await?;
            book(conn, &settled, now).await?;
            crash_point!("wallet.before_commit");
            Ok::<_, PaymentError>(stored)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(stored)
}

fn order(asked: &PayFromWallet) -> StartPayment {
    StartPayment {
        organization_id: asked.organization_id,
        payer_id: Some(asked.owner),
        purpose: match asked.invoice_id {
            Some(_) => Purpose::Invoice,
            None => Purpose::Service,
        },
        price: asked.price,
        invoice_id: asked.invoice_id,
        soapify_user_id: None,
        description: asked.description.clone(),
        return_url: None,
        origin: asked.origin.clone(),
        // The answer is kept by the key itself; the row needs none.
        request: None,
    }
}

/// It is paid in the same transaction; the column asks for a moment all the same.
fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::minutes(1)
}

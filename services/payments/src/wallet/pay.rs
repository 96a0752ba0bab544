use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::Money;
use serde_json::Value;
use service_db::{DbError, crash_point};
use service_http::idempotency::{self, Stored};
use tracing::Span;
use uuid::Uuid;

use super::{
    lane::{Gather, Place, TooLong, Word},
    together::Call,
};
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

/// What a caller is shown of the payment.
pub type Render = fn(&Payment) -> Value;

/// Pays from a wallet: payment, ledger, event and the kept answer in one transaction. The wallet pays
/// the whole amount or nothing.
///
/// Of calls for the same wallet in this process one runs; those that come meanwhile wait, and are then
/// settled together in one transaction. Whom that cannot serve is settled alone afterwards, so that nobody suffers from
/// a stranger.
///
/// # Errors
/// [`PaymentError::InsufficientFunds`], [`PaymentError::BadAmount`], a refusal of the key, or when the
/// database does not answer or too many wait for this wallet; then nothing was done.
pub async fn pay(
    state: &AppState,
    asked: PayFromWallet,
    render: Render,
) -> Result<Stored, PaymentError> {
    if asked.price.amount <= 0 || asked.price.amount > state.rules.max_amount {
        return Err(PaymentError::BadAmount);
    }
    let call = Arc::new(Call {
        state: state.clone(),
        asked,
        render,
        span: Span::current(),
    });
    let turn = match state.lanes.0.enter(&call) {
        Place::First(turn) => Some(turn),
        Place::Behind(place) => match place.word().await {
            Ok(Some(Word::Answer(stored))) => return Ok(stored),
            Ok(Some(Word::Turn(turn))) => Some(turn),
            Ok(None) => None,
            Err(TooLong) => return Err(busy(Call::PATIENCE.as_millis())),
        },
        Place::Full => return Err(busy(0)),
    };
    let stored = alone(&call).await;
    drop(turn);
    stored
}

/// As when no connection is free: the same request may be sent again.
fn busy(waited_ms: u128) -> PaymentError {
    tracing::warn!(waited_ms, "too many wait for one wallet");
    PaymentError::Db(DbError::Timeout(waited_ms))
}

/// One payment in a transaction of its own.
async fn alone(call: &Call) -> Result<Stored, PaymentError> {
    let (state, asked) = (&call.state, &call.asked);
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
            let stored = answer(call.render, &settled)?;
            idempotency::finish(conn, scope, &key.key, &key.body_hash, &stored).await?;
            book(conn, &settled, now).await?;
            crash_point!("wallet.before_commit");
            Ok::<_, PaymentError>(stored)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(stored)
}

/// The answer that is given and kept.
pub(super) fn answer(render: Render, settled: &Payment) -> Result<Stored, PaymentError> {
    Stored::json(actix_web::http::StatusCode::CREATED, &render(settled))
        .map_err(|error| PaymentError::Unexpected(error.into()))
}

/// The payment that is written down.
pub(super) fn order(asked: &PayFromWallet) -> StartPayment {
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
pub(super) fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::minutes(1)
}

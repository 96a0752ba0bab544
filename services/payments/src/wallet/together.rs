//! Many payments from one wallet in one transaction.

use std::{sync::Arc, time::Duration};

use common_types::Currency;
use diesel_async::AsyncPgConnection;
use service_db::crash_point;
use service_http::idempotency::{self, Asked, Stored};
use tracing::Span;
use uuid::Uuid;

use super::{
    lane::{Gather, Lanes},
    pay::{PayFromWallet, Render, answer, expiry, order},
};
use crate::{
    AppState,
    ledger::{AccountKey, find_account},
    payment::{
        Payment, PaymentError, StartPayment, WALLET, book_all, complete_all, insert_payments,
        started_audit,
    },
};

/// The wallets of which a payment runs in this process, and who waits for them.
#[derive(Clone, Default)]
pub struct WalletLanes(pub(super) Lanes<Call>);

impl WalletLanes {
    /// How many payments wait for their wallet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }
}

impl std::fmt::Debug for WalletLanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WalletLanes")
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// A request to pay from a wallet.
pub(super) struct Call {
    pub(super) state: AppState,
    pub(super) asked: PayFromWallet,
    pub(super) render: Render,
    /// The request's own, for the traces of its events.
    pub(super) span: Span,
}

impl Call {
    fn key(&self) -> Asked<'_> {
        let key = &self.asked.key;
        Asked {
            subject: &key.subject,
            route: key.route,
            key: &key.key,
            body_hash: &key.body_hash,
        }
    }
}

impl Gather for Call {
    type Lane = (Uuid, Uuid, Currency);
    type Answer = Stored;
    /// As long as for a connection of the pool.
    const PATIENCE: Duration = Duration::from_secs(5);

    fn lane(&self) -> Self::Lane {
        let asked = &self.asked;
        (asked.organization_id, asked.owner, asked.price.currency)
    }

    async fn together(calls: Vec<Arc<Self>>) -> Vec<Option<Stored>> {
        match settle(&calls).await {
            Ok(answers) => answers,
            // Nothing was done, or the kept answers say what was: alone each finds out by its key.
            Err(error) => {
                let many = calls.len();
                tracing::warn!(%error, many, "payments of one wallet are settled one by one");
                Vec::new()
            }
        }
    }
}

/// A call that the wallet can pay now.
struct Member<'a> {
    /// Among the calls.
    place: usize,
    /// The payment.
    id: Uuid,
    order: StartPayment,
    call: &'a Call,
}

/// Settles those of the calls that can be, all or none: each as it would have been alone. The others have no answer.
async fn settle(calls: &[Arc<Call>]) -> Result<Vec<Option<Stored>>, PaymentError> {
    let Some(first) = calls.first() else {
        return Ok(Vec::new());
    };
    let (stack, now) = (&first.state.stack, first.state.now());
    let settled = stack
        .db
        .transaction(async |conn| {
            let members = admitted(conn, calls).await?;
            if members.is_empty() {
                return Ok(Vec::new());
            }
            let orders: Vec<_> = members.iter().map(|it| (it.id, &it.order)).collect();
            insert_payments(conn, &orders, WALLET, (now, expiry(now))).await?;
            let audit = orders.iter();
            let audit = audit.map(|(id, order)| started_audit(*id, order, now));
            service_audit::record_all(conn, audit.collect()).await?;
            crash_point!("wallet.together_after_payments");
            let ids = members.iter().map(|it| (it.id, it.call.span.clone()));
            let settled = complete_all(conn, &ids.collect::<Vec<_>>(), None, now).await?;
            if settled.len() != members.len() {
                return Err(anyhow::anyhow!("a new payment was settled before").into());
            }
            let pairs = || members.iter().zip(&settled);
            let answers = pairs().map(|(it, payment)| answer(it.call.render, payment));
            let answers: Vec<Stored> = answers.collect::<Result<_, _>>()?;
            let kept = members.iter().map(|it| it.call.key()).zip(&answers);
            idempotency::finish_all(conn, &kept.collect::<Vec<_>>()).await?;
            crash_point!("wallet.together_after_answers");
            let told: Vec<(&Payment, Span)> = pairs()
                .map(|(it, payment)| (payment, it.call.span.clone()))
                .collect();
            book_all(conn, &told, now).await?;
            crash_point!("wallet.together_before_commit");
            let places = members.iter().map(|it| it.place);
            Ok::<_, PaymentError>(places.zip(answers).collect())
        })
        .await?;
    crash_point!("wallet.together_after_commit");
    stack.outbox.wake();
    let many = u64::try_from(settled.len()).unwrap_or(0);
    metrics::counter!("payments_gathered_total").increment(many);
    let mut answers = vec![None; calls.len()];
    for (place, stored) in settled {
        answers[place] = Some(stored);
    }
    Ok(answers)
}

/// Those whose key is free and for whom the wallet has the money, in the order of their arrival. The balance is read without a
/// lock, because accounts are locked in the order of their ids by their entries: when somebody else spends meanwhile, the
/// database refuses all.
async fn admitted<'a>(
    conn: &mut AsyncPgConnection,
    calls: &'a [Arc<Call>],
) -> Result<Vec<Member<'a>>, PaymentError> {
    let Some(first) = calls.first() else {
        return Ok(Vec::new());
    };
    let keys: Vec<Asked<'_>> = calls.iter().map(|call| call.key()).collect();
    let free = idempotency::begin_all(conn, &keys).await?;
    let (organization, owner, currency) = first.lane();
    let wallet = AccountKey::wallet(organization, owner, currency);
    let account = find_account(conn, &wallet).await?;
    let mut left = account.map_or(0, |account| account.balance);
    let mut members = Vec::new();
    for (place, (call, free)) in calls.iter().zip(free).enumerate() {
        let price = call.asked.price.amount;
        if free && price <= left {
            left -= price;
            members.push(Member {
                place,
                id: Uuid::now_v7(),
                order: order(&call.asked),
                call,
            });
        }
    }
    Ok(members)
}

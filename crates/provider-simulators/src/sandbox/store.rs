//! The provider's book: every change is in the journal before it is answered.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use super::model::{Behaviour, Delivery, Payment, PaymentStatus, Refund};
use crate::journal::Journal;

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Payment(Payment),
    Delivery(Delivery),
    Behaviour(Behaviour),
}

struct Inner {
    payments: BTreeMap<String, Payment>,
    deliveries: BTreeMap<String, Delivery>,
    behaviour: Behaviour,
    journal: Journal,
}

/// Why a refund was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum RefundError {
    /// No such payment.
    Unknown,
    /// The payment took no money.
    NotPaid,
    /// More than what is left.
    TooMuch,
    /// The key was used with another amount.
    KeyReused,
    /// The journal could not be written.
    Storage(String),
}

/// What a client asks for when it creates a payment.
pub(crate) struct NewPayment {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) order_id: String,
    pub(crate) callback_url: String,
    pub(crate) description: String,
    pub(crate) idempotency_key: Option<String>,
}

/// Sandbox provider state.
pub struct Sandbox {
    inner: Mutex<Inner>,
    pub(crate) wake: Arc<Notify>,
}

fn identifier(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}

impl Sandbox {
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open::<Record>(folder, "sandbox")?;
        let mut inner = Inner {
            payments: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            behaviour: Behaviour::default(),
            journal,
        };
        for (key, record) in records {
            match record {
                Record::Payment(payment) => drop(inner.payments.insert(key, payment)),
                Record::Delivery(delivery) => drop(inner.deliveries.insert(key, delivery)),
                Record::Behaviour(behaviour) => inner.behaviour = behaviour,
            }
        }
        Ok(Self {
            inner: Mutex::new(inner),
            wake: Arc::new(Notify::new()),
        })
    }

    /// The switches as they are.
    pub fn behaviour(&self) -> Behaviour {
        self.inner.lock().behaviour.clone()
    }

    /// Sets the switches.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn set_behaviour(&self, behaviour: Behaviour) -> anyhow::Result<()> {
        let mut inner = self.inner.lock();
        inner
            .journal
            .put("behaviour", &Record::Behaviour(behaviour.clone()))?;
        let finishes = !behaviour.pending_refunds;
        inner.behaviour = behaviour;
        if finishes {
            finish_pending_refunds(&mut inner)?;
        }
        Ok(())
    }

    /// Takes one from a countdown switch; true when there was one.
    pub(crate) fn use_up(&self, counter: impl Fn(&mut Behaviour) -> &mut u32) -> bool {
        let mut inner = self.inner.lock();
        let left = counter(&mut inner.behaviour);
        let was = *left > 0;
        *left = left.saturating_sub(1);
        was
    }

    /// Creates a payment, or returns the one that the same key created before (`false` = not new).
    pub(crate) fn create(&self, new: NewPayment) -> anyhow::Result<(Payment, bool)> {
        let mut inner = self.inner.lock();
        if new.idempotency_key.is_some()
            && let Some(known) = inner
                .payments
                .values()
                .find(|p| p.idempotency_key == new.idempotency_key)
        {
            return Ok((known.clone(), false));
        }
        let payment = Payment {
            id: identifier("pay"),
            amount: new.amount,
            currency: new.currency,
            order_id: new.order_id,
            callback_url: new.callback_url,
            description: new.description,
            idempotency_key: new.idempotency_key,
            status: PaymentStatus::Pending,
            reference: None,
            created_at: Utc::now(),
            decided_at: None,
            refunds: Vec::new(),
        };
        inner
            .journal
            .put(&payment.id, &Record::Payment(payment.clone()))?;
        inner.payments.insert(payment.id.clone(), payment.clone());
        Ok((payment, true))
    }

    /// A payment by id.
    pub fn find(&self, id: &str) -> Option<Payment> {
        self.inner.lock().payments.get(id).cloned()
    }

    /// Payments of an order, newest first.
    pub fn by_order(&self, order_id: &str) -> Vec<Payment> {
        let inner = self.inner.lock();
        inner
            .payments
            .values()
            .rev()
            .filter(|payment| payment.order_id == order_id)
            .cloned()
            .collect()
    }

    /// Payments that took money in `[from, to)`, oldest first: the provider's settlement list.
    pub fn settled_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Payment> {
        let inner = self.inner.lock();
        let mut settled: Vec<Payment> = inner
            .payments
            .values()
            .filter(|payment| {
                !matches!(
                    payment.status,
                    PaymentStatus::Pending | PaymentStatus::Failed
                )
            })
            .filter(|payment| {
                payment
                    .decided_at
                    .is_some_and(|at| (from..to).contains(&at))
            })
            .cloned()
            .collect();
        settled.sort_by_key(|payment| payment.decided_at);
        settled
    }

    /// The payer decides. A second decision changes nothing and sends nothing.
    pub(crate) fn decide(&self, id: &str, approve: bool) -> anyhow::Result<Option<Payment>> {
        let mut inner = self.inner.lock();
        let behaviour = inner.behaviour.clone();
        let Some(mut payment) = inner.payments.get(id).cloned() else {
            return Ok(None);
        };
        if payment.status != PaymentStatus::Pending {
            return Ok(Some(payment));
        }
        let now = Utc::now();
        let paid = approve && !behaviour.decline;
        payment.status = if paid {
            PaymentStatus::Paid
        } else {
            PaymentStatus::Failed
        };
        payment.reference =
            paid.then(|| format!("{:012}", rand::random_range(0..1_000_000_000_000_u64)));
        payment.decided_at = Some(now);
        inner.journal.put(id, &Record::Payment(payment.clone()))?;
        inner.payments.insert(id.to_owned(), payment.clone());
        if !behaviour.drop_webhooks {
            queue_webhooks(&mut inner, &payment, &behaviour, now)?;
        }
        drop(inner);
        self.wake.notify_one();
        Ok(Some(payment))
    }

    /// Gives money back; the same key and amount give the same refund (`false` = not new).
    ///
    /// # Errors
    /// [`RefundError`].
    pub fn refund(
        &self,
        id: &str,
        amount: i64,
        key: &str,
    ) -> Result<(Payment, Refund, bool), RefundError> {
        let mut inner = self.inner.lock();
        let Some(mut payment) = inner.payments.get(id).cloned() else {
            return Err(RefundError::Unknown);
        };
        if let Some(known) = payment
            .refunds
            .iter()
            .find(|refund| refund.idempotency_key == key)
            .cloned()
        {
            return if known.amount == amount {
                Ok((payment, known, false))
            } else {
                Err(RefundError::KeyReused)
            };
        }
        if matches!(
            payment.status,
            PaymentStatus::Pending | PaymentStatus::Failed
        ) {
            return Err(RefundError::NotPaid);
        }
        if amount <= 0 || amount > payment.amount - payment.refunded() {
            return Err(RefundError::TooMuch);
        }
        let refund = Refund {
            id: identifier("re"),
            amount,
            idempotency_key: key.to_owned(),
            status: if inner.behaviour.pending_refunds {
                "pending".to_owned()
            } else {
                "succeeded".to_owned()
            },
            created_at: Utc::now(),
        };
        payment.refunds.push(refund.clone());
        payment.status = if payment.refunded() == payment.amount {
            PaymentStatus::Refunded
        } else {
            PaymentStatus::PartiallyRefunded
        };
        inner
            .journal
            .put(id, &Record::Payment(payment.clone()))
            .map_err(|error| RefundError::Storage(error.to_string()))?;
        inner.payments.insert(id.to_owned(), payment.clone());
        Ok((payment, refund, true))
    }

    /// Deliveries that are due, and the earliest later one.
    pub(crate) fn due(&self, now: DateTime<Utc>) -> (Vec<Delivery>, Option<DateTime<Utc>>) {
        let inner = self.inner.lock();
        let open = || {
            inner
                .deliveries
                .values()
                .filter(|delivery| delivery.finished_at.is_none())
        };
        let due = open()
            .filter(|delivery| delivery.due_at <= now)
            .cloned()
            .collect();
        (
            due,
            open()
                .map(|delivery| delivery.due_at)
                .filter(|at| *at > now)
                .min(),
        )
    }

    /// Records the outcome of a try.
    pub(crate) fn record_delivery(&self, delivery: Delivery) -> anyhow::Result<()> {
        let mut inner = self.inner.lock();
        inner
            .journal
            .put(&delivery.id, &Record::Delivery(delivery.clone()))?;
        inner.deliveries.insert(delivery.id.clone(), delivery);
        Ok(())
    }

    /// All webhooks, oldest first: what tests and people look at.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.inner.lock().deliveries.values().cloned().collect()
    }
}

/// Ends refunds that were kept `pending`: the money has gone back.
fn finish_pending_refunds(inner: &mut Inner) -> anyhow::Result<()> {
    let waiting: Vec<Payment> = inner
        .payments
        .values()
        .filter(|payment| {
            payment
                .refunds
                .iter()
                .any(|refund| refund.status == "pending")
        })
        .cloned()
        .collect();
    for mut payment in waiting {
        for refund in &mut payment.refunds {
            "succeeded".clone_into(&mut refund.status);
        }
        inner
            .journal
            .put(&payment.id, &Record::Payment(payment.clone()))?;
        inner.payments.insert(payment.id.clone(), payment);
    }
    Ok(())
}

fn queue_webhooks(
    inner: &mut Inner,
    payment: &Payment,
    behaviour: &Behaviour,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let event_id = identifier("evt");
    let event = if payment.status == PaymentStatus::Paid {
        "payment.success"
    } else {
        "payment.failed"
    };
    let body = json!({
        "event": event,
        "id": event_id,
        "data": {
            "payment_id": payment.id,
            "order_id": payment.order_id,
            "amount": payment.amount + behaviour.amount_offset,
            "currency": payment.currency,
        },
    })
    .to_string();
    let delay = TimeDelta::milliseconds(
        i64::try_from(behaviour.delay_ms)
            .unwrap_or(i64::MAX / 2)
            .min(86_400_000),
    );
    for copy in 0..=behaviour.duplicate_webhooks {
        let delivery = Delivery {
            id: if copy == 0 {
                event_id.clone()
            } else {
                format!("{event_id}#{copy}")
            },
            body: body.clone(),
            attempts: 0,
            due_at: now + delay,
            finished_at: None,
            last_outcome: None,
        };
        inner
            .journal
            .put(&delivery.id, &Record::Delivery(delivery.clone()))?;
        inner.deliveries.insert(delivery.id.clone(), delivery);
    }
    Ok(())
}

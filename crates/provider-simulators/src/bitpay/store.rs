//! Gateway payments by `id_get`.

use std::{collections::BTreeMap, path::Path};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::journal::Journal;

/// A payment at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayPayment {
    /// The bare integer that `gateway-send` answered.
    pub id_get: i64,
    /// Rial.
    pub amount: i64,
    /// The merchant's order.
    pub factor_id: String,
    /// Where the browser returns.
    pub redirect: String,
    /// Transaction number, given when the payer decided.
    pub trans_id: Option<i64>,
    /// The payer paid.
    pub paid: bool,
    /// A first verification happened.
    pub verified: bool,
    /// Creation.
    pub created_at: DateTime<Utc>,
}

struct Inner {
    payments: BTreeMap<i64, GatewayPayment>,
    journal: Journal,
    next_id: i64,
}

/// Simulator state.
pub struct BitPay {
    inner: Mutex<Inner>,
}

impl BitPay {
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open::<GatewayPayment>(folder, "bitpay")?;
        let payments: BTreeMap<i64, GatewayPayment> =
            records.into_iter().map(|(_, p)| (p.id_get, p)).collect();
        let next_id = payments.keys().next_back().map_or(12_345, |last| last + 1);
        Ok(Self {
            inner: Mutex::new(Inner {
                payments,
                journal,
                next_id,
            }),
        })
    }

    pub(crate) fn create(
        &self,
        amount: i64,
        factor_id: String,
        redirect: String,
    ) -> anyhow::Result<i64> {
        let mut inner = self.inner.lock();
        let payment = GatewayPayment {
            id_get: inner.next_id,
            amount,
            factor_id,
            redirect,
            trans_id: None,
            paid: false,
            verified: false,
            created_at: Utc::now(),
        };
        inner.next_id += 1;
        store(&mut inner, payment.clone())?;
        Ok(payment.id_get)
    }

    /// A payment by number.
    pub fn find(&self, id_get: i64) -> Option<GatewayPayment> {
        self.inner.lock().payments.get(&id_get).cloned()
    }

    /// The payer's first decision counts.
    pub(crate) fn decide(
        &self,
        id_get: i64,
        approve: bool,
    ) -> anyhow::Result<Option<GatewayPayment>> {
        let mut inner = self.inner.lock();
        let Some(mut payment) = inner.payments.get(&id_get).cloned() else {
            return Ok(None);
        };
        if payment.trans_id.is_none() {
            payment.trans_id = Some(rand::random_range(1_000_000..1_000_000_000));
            payment.paid = approve;
            store(&mut inner, payment.clone())?;
        }
        Ok(Some(payment))
    }

    /// Verifies: `None` = not found or unsuccessful; the flag says whether it had been verified before.
    pub(crate) fn verify(
        &self,
        id_get: i64,
        trans_id: i64,
    ) -> anyhow::Result<Option<(GatewayPayment, bool)>> {
        let mut inner = self.inner.lock();
        let Some(mut payment) = inner.payments.get(&id_get).cloned() else {
            return Ok(None);
        };
        if payment.trans_id != Some(trans_id) || !payment.paid {
            return Ok(None);
        }
        let before = payment.verified;
        if !before {
            payment.verified = true;
            store(&mut inner, payment.clone())?;
        }
        Ok(Some((payment, before)))
    }
}

fn store(inner: &mut Inner, payment: GatewayPayment) -> anyhow::Result<()> {
    inner.journal.put(&payment.id_get.to_string(), &payment)?;
    inner.payments.insert(payment.id_get, payment);
    Ok(())
}

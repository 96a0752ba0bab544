//! How Stripe, Wave and ZarinPal give money back.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    GivesBack, ProviderError, RefundOrder, RefundReport, RefundState, answers,
    stripe::{self, Stripe},
    wave::Wave,
    zarinpal::{Answer, ZarinPal},
};

/// Whole or in parts, by the payment behind the session; our refund's id is Stripe's idempotency key
/// and stands in the refund's metadata.
#[async_trait]
impl GivesBack for Stripe {
    async fn refund(&self, order: RefundOrder<'_>) -> Result<RefundReport, ProviderError> {
        let intent = self.intent(&order).await?;
        let (id, amount) = (order.id.to_string(), order.price.amount.to_string());
        let fields = [
            ("payment_intent", intent.as_str()),
            ("amount", &amount),
            ("metadata[refund_id]", &id),
        ];
        let request = self.http.post(format!("{}/refunds", self.base));
        stripe_report(&self.call(stripe::post(request, &id, &fields)).await?)
    }

    async fn refund_status(
        &self,
        order: RefundOrder<'_>,
        reference: Option<&str>,
    ) -> Result<Option<RefundReport>, ProviderError> {
        if let Some(reference) = reference {
            let url = format!("{}/refunds/{reference}", self.base);
            return stripe_report(&self.call(self.http.get(url)).await?).map(Some);
        }
        let intent = self.intent(&order).await?;
        let url = format!("{}/refunds?payment_intent={intent}&limit=100", self.base);
        let list = self.call(self.http.get(url)).await?;
        let refunds = list["data"]
            .as_array()
            .ok_or_else(|| ProviderError::Unknown("no list of refunds".to_owned()))?;
        let id = order.id.to_string();
        let ours = refunds
            .iter()
            .find(|refund| refund["metadata"]["refund_id"] == json!(id));
        ours.map(stripe_report).transpose()
    }
}

impl Stripe {
    async fn intent(&self, order: &RefundOrder<'_>) -> Result<String, ProviderError> {
        let session = self.session(order.payment.reference).await?;
        answers::text(&session["payment_intent"])
            .ok_or_else(|| ProviderError::Refused("the session took no money".to_owned()))
    }
}

fn stripe_report(refund: &Value) -> Result<RefundReport, ProviderError> {
    let state = match refund["status"].as_str() {
        Some("succeeded") => RefundState::Done,
        Some("pending" | "requires_action") => RefundState::Pending,
        Some("failed" | "canceled") => RefundState::Failed,
        other => {
            return Err(ProviderError::Unknown(format!(
                "unknown refund status {other:?}"
            )));
        }
    };
    let reference = answers::text(&refund["id"])
        .ok_or_else(|| ProviderError::Unknown("a refund without id".to_owned()))?;
    Ok(RefundReport {
        reference,
        state,
        amount: refund["amount"].as_i64(),
    })
}

/// The whole payment only; asked any number of times it gives back once.
#[async_trait]
impl GivesBack for Wave {
    async fn refund(&self, order: RefundOrder<'_>) -> Result<RefundReport, ProviderError> {
        whole(&order)?;
        let url = format!("{}/{}/refund", self.base, order.payment.reference);
        self.call(self.http.post(url)).await?;
        Ok(done(&order))
    }

    /// Wave names no refund; asking for the same one again tells whether it is done.
    async fn refund_status(
        &self,
        order: RefundOrder<'_>,
        _reference: Option<&str>,
    ) -> Result<Option<RefundReport>, ProviderError> {
        self.refund(order).await.map(Some)
    }
}

/// "Not successful, or reversed before."
const NOT_REVERSIBLE: i64 = -61;

/// The whole payment only, within about half an hour of it (`reverse.json`).
#[async_trait]
impl GivesBack for ZarinPal {
    async fn refund(&self, order: RefundOrder<'_>) -> Result<RefundReport, ProviderError> {
        whole(&order)?;
        let body = json!({ "authority": order.payment.reference });
        match self.call("reverse", body).await? {
            Answer::Data(_) => Ok(done(&order)),
            Answer::Code(NOT_REVERSIBLE) if self.is_reversed(&order).await? => Ok(done(&order)),
            Answer::Code(code) => Err(ProviderError::Refused(format!("code {code}"))),
        }
    }

    async fn refund_status(
        &self,
        order: RefundOrder<'_>,
        _reference: Option<&str>,
    ) -> Result<Option<RefundReport>, ProviderError> {
        Ok(self.is_reversed(&order).await?.then(|| done(&order)))
    }
}

impl ZarinPal {
    async fn is_reversed(&self, order: &RefundOrder<'_>) -> Result<bool, ProviderError> {
        Ok(self.inquire(order.payment).await? == "REVERSED")
    }
}

/// Refuses a part before anybody is asked.
fn whole(order: &RefundOrder<'_>) -> Result<(), ProviderError> {
    if order.price == order.payment.price {
        Ok(())
    } else {
        Err(ProviderError::Refused(
            "only whole payments can be given back here".to_owned(),
        ))
    }
}

/// Neither vendor numbers these refunds: ours is the payment's own reference.
fn done(order: &RefundOrder<'_>) -> RefundReport {
    RefundReport {
        reference: order.payment.reference.to_owned(),
        state: RefundState::Done,
        amount: Some(order.price.amount),
    }
}

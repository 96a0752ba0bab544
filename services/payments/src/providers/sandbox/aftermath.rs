use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    Sandbox,
    wire::{CreateRefund, Refund, Refunds, Settlements},
};
use crate::providers::{
    GivesBack, ListsSettlements, ProviderError, RefundOrder, RefundReport, RefundState, SettledLine,
};

#[async_trait]
impl GivesBack for Sandbox {
    async fn refund(&self, order: RefundOrder<'_>) -> Result<RefundReport, ProviderError> {
        let body = CreateRefund {
            amount: order.price.amount,
            idempotency_key: order.id.to_string(),
        };
        let path = format!("{}/{}/refunds/", self.base, order.payment.reference);
        report(self.call(self.http.post(path).json(&body)).await?)
    }

    async fn refund_status(
        &self,
        order: RefundOrder<'_>,
        _reference: Option<&str>,
    ) -> Result<Option<RefundReport>, ProviderError> {
        let path = format!("{}/{}/refunds/", self.base, order.payment.reference);
        let known: Refunds = self.call(self.http.get(path)).await?;
        let key = order.id.to_string();
        let ours = known
            .results
            .into_iter()
            .find(|refund| refund.idempotency_key == key);
        ours.map(report).transpose()
    }
}

fn report(refund: Refund) -> Result<RefundReport, ProviderError> {
    let state = match refund.status.as_str() {
        "succeeded" => RefundState::Done,
        "pending" => RefundState::Pending,
        "failed" => RefundState::Failed,
        other => {
            return Err(ProviderError::Unknown(format!(
                "unknown refund status {other}"
            )));
        }
    };
    Ok(RefundReport {
        reference: refund.id,
        state,
        amount: Some(refund.amount),
    })
}

#[async_trait]
impl ListsSettlements for Sandbox {
    async fn settled_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<SettledLine>, ProviderError> {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let request = self
            .http
            .get(format!("{}/settled/", self.base))
            .query(&[("from", time(from)), ("to", time(to))]);
        let list: Settlements = self.call(request).await?;
        let lines = list.results.into_iter().map(|line| SettledLine {
            reference: line.id,
            order_id: Some(line.order_id),
            amount: line.amount,
            currency: line.currency,
            refunded: line.refunded_amount,
            paid_at: line.decided_at,
        });
        Ok(lines.collect())
    }
}

use async_trait::async_trait;
use common_types::Money;
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use super::wire::{CreatePayment, Payment, Payments};
use crate::providers::{
    Asked, Credential, GivesBack, ListsSettlements, Opened, Order, PaymentProvider, ProviderError,
    Report, ReportedState, unknown,
};

/// The sandbox's name.
pub const SLUG: &str = "sandbox";

/// A client of the sandbox.
#[derive(Debug)]
pub struct Sandbox {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    key: Credential,
    return_url: String,
}

impl Sandbox {
    /// A client of the simulators at `base`; the payer returns to `return_url`.
    pub fn new(http: reqwest::Client, base: &str, key: Credential, return_url: &str) -> Self {
        let base = format!("{}/dev/sandbox/payments", base.trim_end_matches('/'));
        Self {
            http,
            base,
            key,
            return_url: return_url.to_owned(),
        }
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ProviderError> {
        let key = self.key.get().await?;
        let request = service_telemetry::traced(request.bearer_auth(key.expose()));
        let response = request.send().await.map_err(unknown)?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map_err(unknown);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.key.forget().await;
        }
        // Only a clear no is a refusal; a failing or busy server leaves the outcome open.
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            return Err(ProviderError::Refused(format!(
                "status {}",
                status.as_u16()
            )));
        }
        Err(ProviderError::Unknown(format!(
            "status {}",
            status.as_u16()
        )))
    }
}

#[async_trait]
impl PaymentProvider for Sandbox {
    fn slug(&self) -> &'static str {
        SLUG
    }

    /// Everything: no money moves.
    fn accepts(&self, _price: Money) -> bool {
        true
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let body = CreatePayment {
            amount: order.price.amount,
            currency: order.price.currency.code(),
            order_id: order.id.to_string(),
            callback_url: &self.return_url,
            description: &order.description,
        };
        // The same key for the same order: asked twice, it opens one payment.
        let request = self
            .http
            .post(format!("{}/", self.base))
            .header("Idempotency-Key", order.id.to_string())
            .json(&body);
        opened(self.call(request).await?)
    }

    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let reference = asked.reference;
        let payment: Payment = self
            .call(self.http.get(format!("{}/{reference}/", self.base)))
            .await?;
        let state = match payment.status.as_str() {
            "pending" => ReportedState::Pending,
            "paid" | "partially_refunded" | "refunded" => ReportedState::Paid,
            "failed" => ReportedState::Failed,
            "cancelled" => ReportedState::Cancelled,
            other => return Err(ProviderError::Unknown(format!("unknown status {other}"))),
        };
        Ok(Report {
            state,
            amount: Some(payment.amount),
            currency: Some(payment.currency),
            order_id: Some(payment.order_id),
            tracking_code: payment.reference,
        })
    }

    async fn find(&self, order: &Order) -> Result<Option<Opened>, ProviderError> {
        let request = self
            .http
            .get(format!("{}/?order_id={}", self.base, order.id));
        let found: Payments = self.call(request).await?;
        found.results.into_iter().next().map(opened).transpose()
    }

    fn refunds(&self) -> Option<&dyn GivesBack> {
        Some(self)
    }

    fn settlements(&self) -> Option<&dyn ListsSettlements> {
        Some(self)
    }
}

fn opened(payment: Payment) -> Result<Opened, ProviderError> {
    let payment_url = payment
        .hosted_url
        .ok_or_else(|| ProviderError::Unknown("no hosted_url".to_owned()))?;
    Ok(Opened {
        reference: payment.id,
        payment_url,
    })
}

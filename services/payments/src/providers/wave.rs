//! Wave Checkout, Senegal (providers.md 8.1): sessions in XOF, amounts as text.

use async_trait::async_trait;
use common_types::{Currency, Money};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{
    Asked, Credential, GivesBack, Opened, Order, PaymentProvider, ProviderError, Report,
    ReportedState, answers, return_to,
};
use crate::settings::VendorSettings;

/// Its name.
pub const SLUG: &str = "wave";

/// A client of Wave; its key is a bearer key.
#[derive(Debug)]
pub struct Wave {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    key: Credential,
    return_url: String,
}

impl Wave {
    /// A client of the address in the settings; the payer returns to `return_url`.
    pub fn new(
        http: reqwest::Client,
        settings: &VendorSettings,
        key: Credential,
        return_url: &str,
    ) -> Self {
        Self {
            http,
            base: format!(
                "{}/v1/checkout/sessions",
                settings.base_url.trim_end_matches('/')
            ),
            key,
            return_url: return_url.to_owned(),
        }
    }

    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Value, ProviderError> {
        let key = self.key.get().await?;
        let (status, answer) = answers::json(request.bearer_auth(key.expose())).await?;
        if status.is_success() {
            return Ok(answer);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.key.forget().await;
        }
        let words = format!(
            "status {}, {}",
            status.as_u16(),
            answer["code"].as_str().unwrap_or("no code")
        );
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Err(ProviderError::Unknown(words))
            }
            _ => Err(ProviderError::Refused(words)),
        }
    }
}

#[async_trait]
impl PaymentProvider for Wave {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn accepts(&self, price: Money) -> bool {
        price.currency == Currency::Xof && price.amount > 0
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let back = return_to(&self.return_url, SLUG, order.id);
        let body = json!({
            "amount": order.price.amount.to_string(),
            "currency": Currency::Xof.code(),
            "client_reference": order.id.to_string(),
            "success_url": back,
            "error_url": back,
        });
        let request = self
            .http
            .post(&self.base)
            .header("Idempotency-Key", order.id.to_string())
            .json(&body);
        opened(&self.call(request).await?)
    }

    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let url = format!("{}/{}", self.base, asked.reference);
        let session = self.call(self.http.get(url)).await?;
        let word = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
        let (checkout, payment) = (word("checkout_status"), word("payment_status"));
        let state = match (checkout.as_str(), payment.as_str()) {
            (_, "succeeded") => ReportedState::Paid,
            ("expired", _) => ReportedState::Expired,
            // A failed try leaves the page open: the payer may try again.
            ("open" | "complete", "processing" | "cancelled") => ReportedState::Pending,
            other => return Err(ProviderError::Unknown(format!("unknown state {other:?}"))),
        };
        Ok(Report {
            state,
            amount: answers::integer(&session["amount"]),
            currency: Some(word("currency")),
            order_id: answers::text(&session["client_reference"]),
            tracking_code: answers::text(&session["transaction_id"]),
        })
    }

    async fn find(&self, order: &Order) -> Result<Option<Opened>, ProviderError> {
        let url = format!("{}/search?client_reference={}", self.base, order.id);
        let found = self.call(self.http.get(url)).await?;
        let sessions = found["result"]
            .as_array()
            .ok_or_else(|| ProviderError::Unknown("no result".to_owned()))?;
        sessions.first().map(opened).transpose()
    }

    async fn close(&self, asked: Asked<'_>) -> Result<(), ProviderError> {
        let url = format!("{}/{}/expire", self.base, asked.reference);
        // A complete session answers 409.
        self.call(self.http.post(url)).await?;
        Ok(())
    }

    fn refunds(&self) -> Option<&dyn GivesBack> {
        Some(self)
    }
}

fn opened(session: &Value) -> Result<Opened, ProviderError> {
    match (
        answers::text(&session["id"]),
        answers::text(&session["wave_launch_url"]),
    ) {
        (Some(reference), Some(payment_url)) => Ok(Opened {
            reference,
            payment_url,
        }),
        _ => Err(ProviderError::Unknown("no session".to_owned())),
    }
}

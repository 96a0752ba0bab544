//! Stripe Checkout (providers.md 5): sessions with a hosted page, form bodies, idempotency keys.

use async_trait::async_trait;
use common_types::{Currency, Money};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::{
    Asked, Credential, GivesBack, ListsSettlements, Opened, Order, PaymentProvider, ProviderError,
    Report, ReportedState, answers, return_to,
};
use crate::settings::VendorSettings;

/// Its name.
pub const SLUG: &str = "stripe";
/// The version of the API that this client speaks.
const VERSION: &str = "2026-10-28.endive";
/// Smallest payment in minor units; Stripe's own minimum is about half a dollar.
const MINIMUM: i64 = 50;

/// A client of Stripe; its key is the secret key.
#[derive(Debug)]
pub struct Stripe {
    pub(super) http: reqwest::Client,
    pub(super) base: String,
    key: Credential,
    return_url: String,
}

impl Stripe {
    /// A client of the address in the settings; the payer returns to `return_url`.
    pub fn new(
        http: reqwest::Client,
        settings: &VendorSettings,
        key: Credential,
        return_url: &str,
    ) -> Self {
        Self {
            http,
            base: format!("{}/v1", settings.base_url.trim_end_matches('/')),
            key,
            return_url: return_url.to_owned(),
        }
    }

    pub(super) async fn call(&self, request: RequestBuilder) -> Result<Value, ProviderError> {
        let key = self.key.get().await?;
        let request = request
            .bearer_auth(key.expose())
            .header("Stripe-Version", VERSION);
        let (status, answer) = answers::json(request).await?;
        if status.is_success() {
            return Ok(answer);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.key.forget().await;
        }
        let words = format!(
            "status {}, {}",
            status.as_u16(),
            answer["error"]["code"].as_str().unwrap_or("no code")
        );
        match status {
            // A call with the same key is running, or too many are: nothing was decided.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                Err(ProviderError::Unknown(words))
            }
            _ => Err(ProviderError::Refused(words)),
        }
    }

    pub(super) async fn session(&self, reference: &str) -> Result<Value, ProviderError> {
        let url = format!("{}/checkout/sessions/{reference}", self.base);
        self.call(self.http.get(url)).await
    }
}

/// A body as Stripe takes it.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// A POST with a form body and an idempotency key.
pub(super) fn post(request: RequestBuilder, key: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    request
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form(fields))
}

#[async_trait]
impl PaymentProvider for Stripe {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn accepts(&self, price: Money) -> bool {
        match price.currency {
            Currency::Eur | Currency::Usd => price.amount >= MINIMUM,
            Currency::Xof => price.amount >= 500,
            Currency::Irr | Currency::Irt => false,
        }
    }

    /// The same order brings the same session for a day: Stripe keeps its key so long.
    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let (id, amount) = (order.id.to_string(), order.price.amount.to_string());
        let currency = order.price.currency.code().to_lowercase();
        let back = return_to(&self.return_url, SLUG, order.id);
        let name = match order.description.trim() {
            "" => id.as_str(),
            text => text,
        };
        let fields = [
            ("mode", "payment"),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][currency]", &currency),
            ("line_items[0][price_data][unit_amount]", &amount),
            ("line_items[0][price_data][product_data][name]", name),
            ("client_reference_id", &id),
            ("success_url", &back),
            ("cancel_url", &back),
        ];
        let request = self.http.post(format!("{}/checkout/sessions", self.base));
        let session = self.call(post(request, &id, &fields)).await?;
        match (
            answers::text(&session["id"]),
            answers::text(&session["url"]),
        ) {
            (Some(reference), Some(payment_url)) => Ok(Opened {
                reference,
                payment_url,
            }),
            _ => Err(ProviderError::Unknown("no session".to_owned())),
        }
    }

    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let session = self.session(asked.reference).await?;
        let word = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
        let (status, paid) = (word("status"), word("payment_status"));
        let state = match (status.as_str(), paid.as_str()) {
            (_, "paid") => ReportedState::Paid,
            ("expired", _) => ReportedState::Expired,
            // Complete and unpaid: a slow method such as a bank debit is under way.
            ("open" | "complete", "unpaid") => ReportedState::Pending,
            other => return Err(ProviderError::Unknown(format!("unknown state {other:?}"))),
        };
        Ok(Report {
            state,
            amount: session["amount_total"].as_i64(),
            currency: Some(word("currency").to_uppercase()),
            order_id: answers::text(&session["client_reference_id"]),
            tracking_code: answers::text(&session["payment_intent"]),
        })
    }

    /// Opening again with the same key finds the session, or makes the first one.
    async fn find(&self, order: &Order) -> Result<Option<Opened>, ProviderError> {
        self.open(order).await.map(Some)
    }

    async fn close(&self, asked: Asked<'_>) -> Result<(), ProviderError> {
        let url = format!("{}/checkout/sessions/{}/expire", self.base, asked.reference);
        let key = format!("expire-{}", asked.id);
        self.call(post(self.http.post(url), &key, &[])).await?;
        Ok(())
    }

    fn settlements(&self) -> Option<&dyn ListsSettlements> {
        Some(self)
    }

    fn refunds(&self) -> Option<&dyn GivesBack> {
        Some(self)
    }
}

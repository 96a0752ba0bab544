//! PayPing v3 (providers.md 3b): `/v3/pay`, `/v3/pay/verify`. Its amounts are toman.
//!
//! A payment can only be verified with the number that the payer's browser brings back; `110`
//! ("verified before") is paid as well: whether we have booked it is our own question.

use async_trait::async_trait;
use common_types::{Currency, Money};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    Asked, Credential, Opened, Order, PaymentProvider, ProviderError, Report, ReportedState,
    answers, return_to,
};
use crate::settings::VendorSettings;

/// Its name.
pub const SLUG: &str = "payping";
/// Smallest payment, rial.
const MINIMUM: i64 = 1_000;
/// Rials of a toman.
const TOMAN: i64 = 10;
/// "Verified before."
const VERIFIED_BEFORE: i64 = 110;
/// "The amount differs."
const OTHER_AMOUNT: i64 = 112;

/// A client of PayPing; its key is a bearer token.
#[derive(Debug)]
pub struct PayPing {
    http: reqwest::Client,
    base: String,
    token: Credential,
    return_url: String,
}

impl PayPing {
    /// A client of the address in the settings; the payer returns to `return_url`.
    pub fn new(
        http: reqwest::Client,
        settings: &VendorSettings,
        token: Credential,
        return_url: &str,
    ) -> Self {
        Self {
            http,
            base: settings.base_url.trim_end_matches('/').to_owned(),
            token,
            return_url: return_url.to_owned(),
        }
    }

    async fn call(&self, path: &str, body: &Value) -> Result<(StatusCode, Value), ProviderError> {
        let token = self.token.get().await?;
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(token.expose())
            .json(body);
        let (status, answer) = answers::json(request).await?;
        if status == StatusCode::UNAUTHORIZED {
            self.token.forget().await;
        }
        Ok((status, answer))
    }

    async fn verify(&self, asked: Asked<'_>, hint: &str) -> Result<Report, ProviderError> {
        let number = hint
            .parse::<i64>()
            .map_or_else(|_| json!(hint), |n| json!(n));
        let body = json!({
            "paymentRefId": number,
            "paymentCode": asked.reference,
            "amount": asked.price.amount / TOMAN,
        });
        let (status, answer) = self.call("/v3/pay/verify", &body).await?;
        let paid = |amount: Option<i64>, order_id: Option<String>| Report {
            state: ReportedState::Paid,
            amount,
            currency: Some(Currency::Irr.code().to_owned()),
            order_id,
            tracking_code: Some(hint.to_owned()),
        };
        if status.is_success() {
            let toman = answers::integer(&answer["amount"]);
            let rial = toman.and_then(|toman| toman.checked_mul(TOMAN));
            return Ok(paid(rial, answers::text(&answer["clientRefId"])));
        }
        match (status, answer["metaData"]["code"].as_i64()) {
            // It compared our amount before it looked whether this is the second time.
            (StatusCode::BAD_REQUEST | StatusCode::CONFLICT, Some(VERIFIED_BEFORE)) => {
                Ok(paid(Some(asked.price.amount), None))
            }
            (StatusCode::BAD_REQUEST, Some(OTHER_AMOUNT)) => Ok(paid(None, None)),
            (StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND, Some(_)) => {
                Ok(Report::bare(ReportedState::Pending))
            }
            (status, code) => Err(refusal(status, code)),
        }
    }
}

fn refusal(status: StatusCode, code: Option<i64>) -> ProviderError {
    ProviderError::Refused(format!("status {}, code {code:?}", status.as_u16()))
}

#[async_trait]
impl PaymentProvider for PayPing {
    fn slug(&self) -> &'static str {
        SLUG
    }

    /// Whole tomans only.
    fn accepts(&self, price: Money) -> bool {
        price.currency == Currency::Irr && price.amount >= MINIMUM && price.amount % TOMAN == 0
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let body = json!({
            "amount": order.price.amount / TOMAN,
            "returnUrl": return_to(&self.return_url, SLUG, order.id),
            "description": order.description,
            "clientRefId": order.id.to_string(),
        });
        let (status, answer) = self.call("/v3/pay", &body).await?;
        if !status.is_success() {
            return Err(refusal(status, answer["metaData"]["code"].as_i64()));
        }
        match (
            answers::text(&answer["paymentCode"]),
            answers::text(&answer["url"]),
        ) {
            (Some(reference), Some(payment_url)) => Ok(Opened {
                reference,
                payment_url,
            }),
            _ => Err(ProviderError::Unknown("no paymentCode".to_owned())),
        }
    }

    /// Without the number from the payer's browser PayPing cannot be asked: pending.
    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let mut last = Report::bare(ReportedState::Pending);
        // The newest first; an invented number finds nothing and hides no true one.
        for hint in asked.hints.iter().rev() {
            last = self.verify(asked, hint).await?;
            if last.state == ReportedState::Paid {
                break;
            }
        }
        Ok(last)
    }

    /// PayPing cannot look for orders; a lost payment was never shown to anybody and stays unpaid.
    async fn find(&self, _order: &Order) -> Result<Option<Opened>, ProviderError> {
        Ok(None)
    }
}

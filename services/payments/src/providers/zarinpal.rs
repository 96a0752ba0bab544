//! ZarinPal REST v4 (providers.md 4): `request.json`, `inquiry.json`, `verify.json`, `reverse.json`.
//!
//! Money that nobody verifies goes back to the payer, so asking for the state verifies a payment that
//! was paid; `101` ("verified before") is paid as well: whether we have booked it is our own question.

use async_trait::async_trait;
use common_types::{Currency, Money};
use serde_json::{Value, json};

use super::{
    Asked, Credential, GivesBack, Opened, Order, PaymentProvider, ProviderError, Report,
    ReportedState, answers, return_to,
};
use crate::settings::VendorSettings;

/// Its name.
pub const SLUG: &str = "zarinpal";
/// Smallest and largest payment, rial (the SDK's minimum; -41).
const RANGE: std::ops::RangeInclusive<i64> = 1_000..=1_000_000_000;
/// Codes after which the same call may succeed: too many attempts, wages busy, unexpected.
const RETRY: [i64; 3] = [-12, -38, -52];
/// "The amount differs from the one of the request."
const OTHER_AMOUNT: i64 = -50;
/// "Not paid, or failed."
const NOT_PAID: i64 = -51;
/// Longest description.
const DESCRIPTION: usize = 500;

/// A client of ZarinPal; its key is the merchant id.
#[derive(Debug)]
pub struct ZarinPal {
    http: reqwest::Client,
    base: String,
    merchant: Credential,
    return_url: String,
}

/// Data, or a refusal with its number.
pub(super) enum Answer {
    Data(Value),
    Code(i64),
}

impl ZarinPal {
    /// A client of the address in the settings; the payer returns to `return_url`.
    pub fn new(
        http: reqwest::Client,
        settings: &VendorSettings,
        merchant: Credential,
        return_url: &str,
    ) -> Self {
        Self {
            http,
            base: settings.base_url.trim_end_matches('/').to_owned(),
            merchant,
            return_url: return_url.to_owned(),
        }
    }

    pub(super) async fn call(&self, name: &str, mut body: Value) -> Result<Answer, ProviderError> {
        let merchant = self.merchant.get().await?;
        body["merchant_id"] = json!(merchant.expose());
        let url = format!("{}/pg/v4/payment/{name}.json", self.base);
        let (status, answer) = answers::json(self.http.post(url).json(&body)).await?;
        // `errors` and `data` are empty lists where they have nothing to say.
        let code = |part: &Value| part.get("code").and_then(Value::as_i64);
        match (code(&answer["data"]), code(&answer["errors"])) {
            (_, Some(code)) if RETRY.contains(&code) => {
                Err(ProviderError::Unknown(format!("code {code}")))
            }
            (_, Some(code)) => {
                if code == -10 {
                    self.merchant.forget().await;
                }
                Ok(Answer::Code(code))
            }
            (Some(100 | 101), None) if status.is_success() => {
                Ok(Answer::Data(answer["data"].clone()))
            }
            (Some(code), None) => Ok(Answer::Code(code)),
            (None, None) => Err(ProviderError::Unknown(format!(
                "status {} without a code",
                status.as_u16()
            ))),
        }
    }

    async fn verify(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let body = json!({ "amount": asked.price.amount, "authority": asked.reference });
        let paid = |amount: Option<i64>, tracking_code: Option<String>| Report {
            amount,
            currency: Some(Currency::Irr.code().to_owned()),
            tracking_code,
            ..Report::bare(ReportedState::Paid)
        };
        match self.call("verify", body).await? {
            // It compared the amount that we sent with the one that was paid.
            Answer::Data(data) => Ok(paid(
                Some(asked.price.amount),
                answers::text(&data["ref_id"]),
            )),
            Answer::Code(OTHER_AMOUNT) => Ok(paid(None, None)),
            Answer::Code(NOT_PAID) => Ok(Report::bare(ReportedState::Pending)),
            Answer::Code(code) => Err(ProviderError::Refused(format!("code {code}"))),
        }
    }

    pub(super) async fn inquire(&self, asked: Asked<'_>) -> Result<String, ProviderError> {
        let body = json!({ "authority": asked.reference });
        match self.call("inquiry", body).await? {
            Answer::Data(data) => answers::text(&data["status"])
                .ok_or_else(|| ProviderError::Unknown("an inquiry without status".to_owned())),
            Answer::Code(code) => Err(ProviderError::Refused(format!("code {code}"))),
        }
    }
}

#[async_trait]
impl PaymentProvider for ZarinPal {
    fn slug(&self) -> &'static str {
        SLUG
    }

    fn accepts(&self, price: Money) -> bool {
        price.currency == Currency::Irr && RANGE.contains(&price.amount)
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let description: String = match order.description.trim() {
            "" => order.id.to_string(),
            text => text.chars().take(DESCRIPTION).collect(),
        };
        let body = json!({
            "amount": order.price.amount,
            "currency": Currency::Irr.code(),
            "description": description,
            "callback_url": return_to(&self.return_url, SLUG, order.id),
            "metadata": { "order_id": order.id.to_string() },
        });
        match self.call("request", body).await? {
            Answer::Data(data) => {
                let authority = answers::text(&data["authority"])
                    .ok_or_else(|| ProviderError::Unknown("no authority".to_owned()))?;
                Ok(Opened {
                    payment_url: format!("{}/pg/StartPay/{authority}", self.base),
                    reference: authority,
                })
            }
            Answer::Code(code) => Err(ProviderError::Refused(format!("code {code}"))),
        }
    }

    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        match self.inquire(asked).await?.as_str() {
            "PAID" | "VERIFIED" => self.verify(asked).await,
            "IN_BANK" => Ok(Report::bare(ReportedState::Pending)),
            "FAILED" | "REVERSED" => Ok(Report::bare(ReportedState::Failed)),
            other => Err(ProviderError::Unknown(format!("unknown status {other}"))),
        }
    }

    /// ZarinPal cannot look for orders; a lost authority was never shown to anybody and stays unpaid.
    async fn find(&self, _order: &Order) -> Result<Option<Opened>, ProviderError> {
        Ok(None)
    }

    fn refunds(&self) -> Option<&dyn GivesBack> {
        Some(self)
    }
}

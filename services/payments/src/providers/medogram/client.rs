use async_trait::async_trait;
use common_types::{Currency, Money};
use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    providers::{
        Asked, Credential, Opened, Order, PaymentProvider, ProviderError, Report, ReportedState,
        unknown,
    },
    settings::{Dialect, GatewaySettings},
};

/// The gateway's name.
pub const SLUG: &str = "medogram";
/// "Connection error, try again" of BitPay.
const RETRY: i64 = -5;
/// "Not found or unsuccessful" of BitPay's verification.
const NOT_PAID: i64 = -4;

/// A client of the gateway.
#[derive(Debug)]
pub struct Medogram {
    http: reqwest::Client,
    base: String,
    dialect: Dialect,
    key: Credential,
    return_url: String,
}

impl Medogram {
    /// A client of the gateway as the settings say; the payer returns to `return_url` unless they
    /// name another address.
    pub fn new(
        http: reqwest::Client,
        settings: &GatewaySettings,
        key: Credential,
        return_url: &str,
    ) -> Self {
        let return_url = match settings.redirect_url.as_str() {
            "" => return_url,
            redirect => redirect,
        };
        Self {
            http,
            base: format!("{}/payment", settings.base_url.trim_end_matches('/')),
            dialect: settings.dialect,
            key,
            return_url: return_url.to_owned(),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, ProviderError> {
        let request = self.http.post(format!("{}/{path}", self.base));
        let request = match self.dialect {
            Dialect::Json => request.json(body),
            Dialect::Form => request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form(body)),
        };
        let response = service_telemetry::traced(request)
            .send()
            .await
            .map_err(unknown)?;
        read(response).await
    }

    async fn verify(&self, reference: &str, hint: &str) -> Result<Report, ProviderError> {
        let key = self.key.get().await?;
        let mut body = json!({ "api": key.expose(), "id_get": reference, "trans_id": hint });
        if self.dialect == Dialect::Form {
            body["json"] = json!("1");
        }
        report(&self.post("gateway-result-second", &body).await?, hint)
    }
}

#[async_trait]
impl PaymentProvider for Medogram {
    fn slug(&self) -> &'static str {
        SLUG
    }

    /// Rials, at least 1,000 (BitPay's -2).
    fn accepts(&self, price: Money) -> bool {
        price.currency == Currency::Irr && price.amount >= 1_000
    }

    async fn open(&self, order: &Order) -> Result<Opened, ProviderError> {
        let key = self.key.get().await?;
        let body = json!({
            "api": key.expose(),
            "amount": order.price.amount,
            "factorId": order.id.to_string(),
            "redirect": self.return_url,
        });
        match integer(&self.post("gateway-send", &body).await?) {
            Some(id) if id > 0 => Ok(Opened {
                reference: id.to_string(),
                payment_url: format!("{}/gateway-{id}-get", self.base),
            }),
            Some(RETRY) => Err(ProviderError::Unknown(
                "the gateway's own connection failed".into(),
            )),
            Some(code) => Err(ProviderError::Refused(format!("code {code}"))),
            None => Err(ProviderError::Unknown("the answer is no number".into())),
        }
    }

    /// Without the number from the payer's browser the gateway cannot be asked: pending.
    async fn status(&self, asked: Asked<'_>) -> Result<Report, ProviderError> {
        let mut last = Report::bare(ReportedState::Pending);
        // The newest first; an invented number finds nothing and hides no true one.
        for hint in asked.hints.iter().rev() {
            let report = self.verify(asked.reference, hint).await?;
            if report.state == ReportedState::Paid {
                return Ok(report);
            }
            last = report;
        }
        Ok(last)
    }

    /// The gateway cannot look for orders.
    async fn find(&self, _order: &Order) -> Result<Option<Opened>, ProviderError> {
        Ok(None)
    }
}

async fn read(response: Response) -> Result<Value, ProviderError> {
    let status = response.status();
    if !status.is_success() {
        return Err(ProviderError::Unknown(format!(
            "status {}",
            status.as_u16()
        )));
    }
    let text = response.text().await.map_err(unknown)?;
    let text = text.trim().trim_start_matches('\u{feff}');
    Ok(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

/// A number, also as text.
fn integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// Reads both dialects' results. `11` ("verified before") is paid as well: whether we have booked
/// it is our own question.
fn report(answer: &Value, hint: &str) -> Result<Report, ProviderError> {
    let paid = |amount: Option<i64>, order_id: Option<String>| Report {
        state: ReportedState::Paid,
        amount,
        currency: Some("IRR".to_owned()),
        order_id,
        tracking_code: Some(hint.to_owned()),
    };
    let open = Report::bare(ReportedState::Pending);
    if let Some(status) = answer.get("status").and_then(integer) {
        let order = answer.get("factorId").and_then(|id| match id {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        return match status {
            1 | 11 => Ok(paid(answer.get("amount").and_then(integer), order)),
            NOT_PAID => Ok(open),
            code => Err(ProviderError::Refused(format!("code {code}"))),
        };
    }
    match integer(answer) {
        Some(amount) if amount > 0 => Ok(paid(Some(amount), None)),
        Some(NOT_PAID | 0) => Ok(open),
        Some(code) => Err(ProviderError::Refused(format!("code {code}"))),
        None => Err(ProviderError::Unknown("the answer is no number".into())),
    }
}

fn form(body: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn y01_both_dialects_are_read() {
        let json = report(&json!(100_000), "77").unwrap();
        assert_eq!(
            (json.state, json.amount),
            (ReportedState::Paid, Some(100_000))
        );
        let text = report(&json!("100000"), "77").unwrap();
        assert_eq!(text, json);
        let form = json!({"status": 11, "amount": "100000", "factorId": "f"});
        let form = report(&form, "77").unwrap();
        assert_eq!(
            (form.state, form.amount, form.order_id.as_deref()),
            (ReportedState::Paid, Some(100_000), Some("f"))
        );
        assert_eq!(
            report(&json!(-4), "77").unwrap().state,
            ReportedState::Pending
        );
        assert!(matches!(
            report(&json!(-1), "77"),
            Err(ProviderError::Refused(_))
        ));
        assert!(matches!(
            report(&json!("<html>"), "77"),
            Err(ProviderError::Unknown(_))
        ));
    }

    #[test]
    fn forms_are_encoded() {
        let form = form(&json!({"api": "a&b", "amount": 5}));
        assert_eq!(form, "amount=5&api=a%26b");
    }
}

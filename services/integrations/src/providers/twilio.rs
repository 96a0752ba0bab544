//! Twilio's Messages resource (API 2010-04-01; facts in providers.md 8.6). Nothing there is idempotent, so a 5xx or a lost
//! answer is an unknown outcome.

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use service_auth::tokens::ct_eq;
use service_config::Secret;
use sha1::Sha1;

use super::{MessageProvider, Outgoing, Receipt, SendOutcome, broken_call};

/// Who sends: a number of ours, or a messaging service that picks one.
#[derive(Clone, Debug)]
pub enum Sender {
    /// `From`.
    Number(String),
    /// `MessagingServiceSid`.
    Service(String),
}

/// Client of one account.
pub struct Twilio {
    http: reqwest::Client,
    base_url: String,
    account_sid: String,
    auth_token: Secret,
    sender: Sender,
    callback: Option<String>,
}

/// Codes of a message that is wrong itself.
const PERMANENT: [i64; 9] = [
    21211, 21408, 21602, 21604, 21606, 21610, 21612, 21614, 21617,
];

/// Where a status leaves a message.
pub(crate) fn receipt(status: &str) -> Receipt {
    match status {
        "delivered" | "read" => Receipt::Delivered,
        "undelivered" | "failed" | "canceled" => Receipt::Failed,
        _ => Receipt::Pending,
    }
}

/// Whether `signature` is that of a form posted to `url` (base64 HMAC-SHA1 over the address and the sorted fields).
pub(crate) fn verify(
    token: &Secret,
    url: &str,
    fields: &[(String, String)],
    signature: &str,
) -> bool {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()) else {
        return false;
    };
    mac.update(url.as_bytes());
    for (name, value) in &sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    ct_eq(expected.as_bytes(), signature.as_bytes())
}

impl Twilio {
    /// A client of an account at `base_url` (no final slash). `callback` is where receipts are posted.
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        account_sid: String,
        auth_token: Secret,
        sender: Sender,
        callback: Option<String>,
    ) -> Self {
        Self {
            http,
            base_url,
            account_sid,
            auth_token,
            sender,
            callback,
        }
    }

    fn address(&self, resource: &str) -> String {
        format!(
            "{}/2010-04-01/Accounts/{}/{resource}.json",
            self.base_url, self.account_sid
        )
    }

    fn form(&self, message: &Outgoing<'_>) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", message.to);
        match &self.sender {
            Sender::Number(number) => form.append_pair("From", number),
            Sender::Service(sid) => form.append_pair("MessagingServiceSid", sid),
        };
        if let Some(callback) = &self.callback {
            form.append_pair("StatusCallback", callback);
        }
        form.append_pair("Body", message.text);
        form.finish()
    }

    /// Sends a request and reads its document.
    async fn call(&self, request: reqwest::RequestBuilder) -> Result<Value, SendOutcome> {
        let answer = request
            .basic_auth(&self.account_sid, Some(self.auth_token.expose()))
            .send()
            .await
            .map_err(|error| broken_call(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|_| SendOutcome::Unknown {
            code: "connection_lost",
        })?;
        if status.is_server_error() {
            return Err(SendOutcome::Unknown {
                code: "server_error",
            });
        }
        let document: Value = serde_json::from_slice(&bytes)
            .map_err(|_| SendOutcome::Unknown { code: "unreadable" })?;
        if status.is_success() {
            return Ok(document);
        }
        let code = document["code"]
            .as_i64()
            .unwrap_or(i64::from(status.as_u16()));
        Err(SendOutcome::Refused {
            code: format!("twilio.{code}"),
            text: document["message"].as_str().unwrap_or_default().to_owned(),
            retryable: !PERMANENT.contains(&code),
        })
    }
}

#[async_trait]
impl MessageProvider for Twilio {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let request = self
            .http
            .post(self.address("Messages"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.form(message));
        match self.call(request).await {
            Ok(document) => match document["sid"].as_str() {
                Some(sid) => {
                    let now = receipt(document["status"].as_str().unwrap_or_default());
                    if now == Receipt::Failed {
                        return SendOutcome::Refused {
                            code: format!("twilio.{}", document["error_code"]),
                            text: document["error_message"]
                                .as_str()
                                .unwrap_or_default()
                                .to_owned(),
                            retryable: false,
                        };
                    }
                    SendOutcome::Accepted {
                        provider_message_id: Some(sid.to_owned()),
                        cost: None,
                        delivered: now == Receipt::Delivered,
                    }
                }
                None => SendOutcome::Unknown { code: "unreadable" },
            },
            Err(outcome) => outcome,
        }
    }

    fn gives_receipts(&self) -> bool {
        true
    }

    fn pushes_receipts(&self) -> bool {
        true
    }

    async fn receipts(&self, ids: &[String]) -> Option<Vec<Receipt>> {
        let asked = ids.iter().map(|id| async move {
            // A sid comes from the provider, but it becomes part of an address.
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Some(Receipt::Unknown);
            }
            let request = self.http.get(self.address(&format!("Messages/{id}")));
            match self.call(request).await {
                Ok(document) => document["status"].as_str().map(receipt),
                Err(SendOutcome::Refused { code, .. }) if code == "twilio.20404" => {
                    Some(Receipt::Unknown)
                }
                Err(_) => None,
            }
        });
        let answers = join_all(asked).await;
        answers.iter().any(Option::is_some).then(|| {
            answers
                .into_iter()
                .map(|one| one.unwrap_or(Receipt::Pending))
                .collect()
        })
    }

    async fn health(&self) -> Result<Value, String> {
        match self.call(self.http.get(self.address("Balance"))).await {
            Ok(document) => {
                let balance = document["balance"]
                    .as_str()
                    .and_then(|text| text.parse::<f64>().ok());
                Ok(json!({"balance": balance, "details": {"currency": document["currency"]}}))
            }
            Err(SendOutcome::Refused { text, .. }) => Err(text),
            Err(SendOutcome::Unknown { code }) => Err(format!("Network error: {code}")),
            Err(SendOutcome::Accepted { .. }) => Err("Invalid response from API".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of providers.md 8.6, made with the vendor's own package.
    #[test]
    fn the_signature_is_the_vendors() {
        let token = Secret::new("12345".to_owned());
        let fields = [
            ("To", "+221771234567"),
            ("MessageSid", "SM1"),
            ("MessageStatus", "delivered"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = "https://example.com/twilio/status";
        assert!(verify(&token, url, &fields, "XXxnaLlufF1eXkrWlTAIPjL3H0o="));
        assert!(!verify(
            &token,
            url,
            &fields[1..],
            "XXxnaLlufF1eXkrWlTAIPjL3H0o="
        ));
        assert!(!verify(&token, url, &fields, ""));
    }
}

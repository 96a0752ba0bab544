//! Parsian's template service (`api.parsianwebco.ir`; facts in providers.md 3a). It sends templates only, answers with a
//! whole number and names no message: what it took is `sent` for us and stays so.

use async_trait::async_trait;
use serde_json::{Value, json};
use service_config::Secret;

use super::{MessageProvider, Outgoing, SendOutcome, Template, broken_call, dialled, in_order};

/// Client of one account.
pub struct Parsian {
    http: reqwest::Client,
    base_url: String,
    token: Secret,
}

/// Words of contract I20 for a key that the provider does not know.
const NOT_AUTHENTICATED: &str = "Authentication is not accepted, check your token...";

impl Parsian {
    /// A client of the account of `token` at `base_url` (no final slash).
    pub fn new(http: reqwest::Client, base_url: String, token: Secret) -> Self {
        Self {
            http,
            base_url,
            token,
        }
    }

    async fn call(&self, path: &str, fields: &[(&str, String)]) -> Result<Value, SendOutcome> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", self.token.expose())
            .extend_pairs(fields.iter().map(|(name, value)| (*name, value.as_str())))
            .finish();
        let answer = self
            .http
            .post(format!("{}/{path}", self.base_url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .map_err(|error| broken_call(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|_| SendOutcome::Unknown {
            code: "connection_lost",
        })?;
        serde_json::from_slice::<Value>(&bytes)
            .ok()
            .filter(|document| document["status"].is_i64())
            .ok_or(SendOutcome::Unknown {
                code: if status.is_server_error() {
                    "server_error"
                } else {
                    "unreadable"
                },
            })
    }

    /// Values separated by commas, which cannot be escaped: a comma becomes the Persian one.
    fn variables(template: &Template) -> String {
        let values: Vec<String> = in_order(template)
            .into_iter()
            .map(|value| value.replace(',', "،"))
            .collect();
        values.join(",")
    }

    fn refused(code: &str, text: &str, retryable: bool) -> SendOutcome {
        SendOutcome::Refused {
            code: format!("parsian.{code}"),
            text: text.to_owned(),
            retryable,
        }
    }
}

#[async_trait]
impl MessageProvider for Parsian {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let Some(template) = message.template else {
            return Self::refused("template", "این سرویس فقط با شناسه الگو ارسال می‌کند", false);
        };
        if template.name.parse::<u32>().is_err() {
            return Self::refused("template", "شناسه الگو باید عدد باشد", false);
        }
        let Some(to) = dialled(message.to) else {
            return Self::refused("receiver", "شماره گیرنده معتبر نیست", false);
        };
        let fields = [
            ("TemplateID", template.name.clone()),
            ("MessageVars", Self::variables(template)),
            ("Receiver", to),
            ("delay", "1".to_owned()),
        ];
        match self.call("webservice-send-sms/send", &fields).await {
            Ok(document) => match document["status"].as_i64() {
                Some(200) => SendOutcome::Accepted {
                    provider_message_id: None,
                    cost: None,
                    delivered: false,
                },
                Some(401) => Self::refused("401", NOT_AUTHENTICATED, true),
                Some(other) => Self::refused(&other.to_string(), "ارسال پیامک انجام نشد", true),
                None => SendOutcome::Unknown { code: "unreadable" },
            },
            Err(outcome) => outcome,
        }
    }

    async fn health(&self) -> Result<Value, String> {
        match self.call("webservice-get-credit/get", &[]).await {
            Ok(document) if document["status"] == 200 => {
                // The member's name is not documented; clients were seen with these.
                let balance = ["credit", "Credit", "balance", "data"]
                    .iter()
                    .map(|name| &document[*name])
                    .find_map(|value| {
                        value
                            .as_f64()
                            .or_else(|| value.as_str()?.trim().parse().ok())
                    });
                Ok(balance.map_or_else(|| json!({}), |balance| json!({"balance": balance})))
            }
            Ok(document) if document["status"] == 401 => Err(NOT_AUTHENTICATED.to_owned()),
            Ok(_)
            | Err(SendOutcome::Unknown {
                code: "unreadable" | "server_error",
            }) => Err("Invalid response from API".to_owned()),
            Err(SendOutcome::Unknown { code }) => Err(format!("Network error: {code}")),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

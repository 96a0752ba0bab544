//! Kavenegar's REST API (kavenegar.com/rest.html; facts in providers.md 1). The key is a path segment there, therefore
//! no error of the HTTP client is ever shown or logged: it would contain the address.

use async_trait::async_trait;
use common_types::{Currency, Money, internal::integrations::Channel};
use serde::Deserialize;
use serde_json::{Value, json};
use service_auth::tokens;
use service_config::Secret;

use super::{MessageProvider, Outgoing, Receipt, SendOutcome, broken_call, dialled};

/// Client of one account.
pub struct Kavenegar {
    http: reqwest::Client,
    base_url: String,
    api_key: Secret,
    sender: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "return")]
    outcome: Return,
    #[serde(default)]
    entries: Value,
}

#[derive(Deserialize)]
struct Return {
    status: i64,
    #[serde(default)]
    message: String,
}

/// Statuses after which the same message can never be taken: it is the message that is wrong, not the account or the day.
const PERMANENT: [i64; 9] = [400, 406, 411, 413, 417, 420, 422, 428, 431];

/// Most receivers of one call (414 beyond).
const MOST_RECEPTORS: usize = 200;

/// Delivery statuses of a message that was taken (providers.md 1.10).
pub(crate) fn receipt(status: i64) -> Receipt {
    match status {
        10 => Receipt::Delivered,
        6 | 11 | 13 | 14 => Receipt::Failed,
        100 => Receipt::Unknown,
        _ => Receipt::Pending,
    }
}

fn bad_receptor() -> SendOutcome {
    SendOutcome::Refused {
        code: "kavenegar.411".to_owned(),
        text: "دریافت کننده نامعتبر است".to_owned(),
        retryable: false,
    }
}

fn refusal(outcome: Return) -> SendOutcome {
    SendOutcome::Refused {
        code: format!("kavenegar.{}", outcome.status),
        text: outcome.message,
        retryable: !PERMANENT.contains(&outcome.status),
    }
}

/// What one of the `entries` of an accepted call says.
fn outcome_of(entry: &Value) -> SendOutcome {
    match receipt(entry["status"].as_i64().unwrap_or(1)) {
        Receipt::Failed => SendOutcome::Refused {
            code: format!("kavenegar.status_{}", entry["status"]),
            text: entry["statustext"].as_str().unwrap_or_default().to_owned(),
            retryable: false,
        },
        now => SendOutcome::Accepted {
            provider_message_id: entry["messageid"].as_i64().map(|id| id.to_string()),
            cost: entry["cost"]
                .as_i64()
                .map(|amount| Money::new(amount, Currency::Irr)),
            delivered: now == Receipt::Delivered,
        },
    }
}

impl Kavenegar {
    /// A client of the account of `api_key` at `base_url` (no final slash).
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        api_key: Secret,
        sender: Option<String>,
    ) -> Self {
        Self {
            http,
            base_url,
            api_key,
            sender,
        }
    }

    /// Posts a form and reads the envelope, whatever the HTTP status is (their number is in the body).
    async fn call(&self, method: &str, fields: &[(&str, String)]) -> Result<Envelope, SendOutcome> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.iter().map(|(name, value)| (*name, value.as_str())))
            .finish();
        let answer = self
            .http
            .post(format!(
                "{}/v1/{}/{method}.json",
                self.base_url,
                self.api_key.expose()
            ))
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .body(body)
            .send()
            .await
            .map_err(|error| broken_call(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|_| SendOutcome::Unknown {
            code: "connection_lost",
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(envelope) => Ok(envelope),
            // A gateway's error page: what stood behind it may have worked.
            Err(_) if status.is_server_error() => Err(SendOutcome::Unknown {
                code: "server_error",
            }),
            Err(_) => Err(SendOutcome::Unknown { code: "unreadable" }),
        }
    }
}

/// The 63-bit `localid` by which Kavenegar recognises a repetition.
fn local_id(message: &Outgoing<'_>) -> u64 {
    let digest = tokens::sha256_hex(message.message_id.as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or_default() >> 1
}

/// A token as Kavenegar takes it: no white space and no underscore.
fn token(value: &str) -> String {
    value
        .split(|c: char| c.is_whitespace() || c == '_')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

#[async_trait]
impl MessageProvider for Kavenegar {
    fn recognises_repetition(&self, message: &Outgoing<'_>) -> bool {
        // verify/lookup has no localid.
        message.template.is_none()
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let Some(receptor) = dialled(message.to) else {
            return bad_receptor();
        };
        let mut fields = vec![("receptor", receptor)];
        let method = match message.template {
            Some(template) => {
                fields.push(("template", template.name.clone()));
                for name in ["token", "token2", "token3"] {
                    if let Some(value) = template.tokens.get(name) {
                        fields.push((name, token(value)));
                    }
                }
                for name in ["token10", "token20"] {
                    if let Some(value) = template.tokens.get(name) {
                        fields.push((name, value.split_whitespace().collect::<Vec<_>>().join(" ")));
                    }
                }
                if message.channel == Channel::Voice {
                    fields.push(("type", "call".to_owned()));
                }
                "verify/lookup"
            }
            // Only verify/lookup speaks.
            None if message.channel == Channel::Voice => {
                return SendOutcome::Refused {
                    code: "kavenegar.428".to_owned(),
                    text: "ارسال کد از طریق تماس تلفنی امکان پذیر نیست".to_owned(),
                    retryable: false,
                };
            }
            None => {
                fields.push(("message", message.text.to_owned()));
                fields.push(("localid", local_id(message).to_string()));
                if let Some(sender) = &self.sender {
                    fields.push(("sender", sender.clone()));
                }
                "sms/send"
            }
        };
        let envelope = match self.call(method, &fields).await {
            Ok(envelope) => envelope,
            Err(outcome) => return outcome,
        };
        if envelope.outcome.status != 200 {
            return refusal(envelope.outcome);
        }
        outcome_of(envelope.entries.get(0).unwrap_or(&envelope.entries))
    }

    fn bulk_limit(&self, _: &str) -> usize {
        MOST_RECEPTORS
    }

    async fn send_bulk(&self, messages: &[Outgoing<'_>]) -> Vec<SendOutcome> {
        let receptors: Option<Vec<String>> = messages.iter().map(|one| dialled(one.to)).collect();
        let (Some(receptors), Some(first)) = (receptors, messages.first()) else {
            return messages.iter().map(|_| bad_receptor()).collect();
        };
        let ids: Vec<String> = messages
            .iter()
            .map(|one| local_id(one).to_string())
            .collect();
        let mut fields = vec![
            ("receptor", receptors.join(",")),
            ("message", first.text.to_owned()),
            ("localid", ids.join(",")),
        ];
        if let Some(sender) = &self.sender {
            fields.push(("sender", sender.clone()));
        }
        let all = |outcome: SendOutcome| vec![outcome; messages.len()];
        let envelope = match self.call("sms/send", &fields).await {
            Ok(envelope) => envelope,
            Err(outcome) => return all(outcome),
        };
        if envelope.outcome.status != 200 {
            return all(refusal(envelope.outcome));
        }
        match envelope.entries.as_array() {
            // Entries come in the order of the receptors, one for each.
            Some(entries) if entries.len() == messages.len() => {
                entries.iter().map(outcome_of).collect()
            }
            _ => all(SendOutcome::Unknown { code: "unreadable" }),
        }
    }

    fn pushes_receipts(&self) -> bool {
        true
    }

    fn speaks(&self) -> bool {
        true
    }

    fn gives_receipts(&self) -> bool {
        true
    }

    async fn receipts(&self, ids: &[String]) -> Option<Vec<Receipt>> {
        let envelope = self
            .call("sms/status", &[("messageid", ids.join(","))])
            .await
            .ok()?;
        let entries = envelope
            .entries
            .as_array()
            .filter(|_| envelope.outcome.status == 200)?;
        Some(
            ids.iter()
                .map(|id| {
                    let entry = entries
                        .iter()
                        .find(|entry| entry["messageid"].as_i64() == id.parse().ok());
                    entry
                        .and_then(|entry| entry["status"].as_i64())
                        .map_or(Receipt::Pending, receipt)
                })
                .collect(),
        )
    }

    async fn health(&self) -> Result<Value, String> {
        match self.call("account/info", &[]).await {
            Ok(envelope) if envelope.outcome.status == 200 => Ok(json!({
                "balance": envelope.entries["remaincredit"],
                "details": { "type": envelope.entries["type"], "expires_at": envelope.entries["expiredate"] },
            })),
            Ok(envelope) => Err(envelope.outcome.message),
            Err(SendOutcome::Unknown {
                code: "unreadable" | "server_error",
            }) => Err("Invalid response from API".to_owned()),
            Err(SendOutcome::Unknown { code }) => Err(format!("Network error: {code}")),
            Err(_) => Err("Network error: the provider cannot be reached".to_owned()),
        }
    }
}

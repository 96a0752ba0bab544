//! The development inbox of the simulators: shows a message instead of sending it.

use async_trait::async_trait;
use common_types::{Currency, Money};
use serde_json::{Value, json};

use super::{MessageProvider, Outgoing, SendOutcome, broken_call};

/// Client of `POST /dev/inbox/messages/`.
pub struct DevelopmentInbox {
    http: reqwest::Client,
    base_url: String,
}

impl DevelopmentInbox {
    /// A client of the inbox at `base_url`.
    pub fn new(http: reqwest::Client, base_url: String) -> Self {
        Self { http, base_url }
    }
}

#[async_trait]
impl MessageProvider for DevelopmentInbox {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        true
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let request = self
            .http
            .post(format!("{}/dev/inbox/messages/", self.base_url))
            .json(&json!({
                "channel": message.channel.as_str(),
                "to": message.to,
                "subject": message.subject,
                "text": message.text,
                "html": message.html,
                "reference": message.message_id,
            }));
        match request.send().await {
            Ok(answer) if answer.status().is_success() => {
                let body: Value = answer.json().await.unwrap_or_default();
                SendOutcome::Accepted {
                    provider_message_id: body["id"].as_str().map(str::to_owned),
                    cost: Some(Money::zero(Currency::Irr)),
                    delivered: true,
                }
            }
            Ok(answer) => SendOutcome::Refused {
                code: format!("inbox.{}", answer.status().as_u16()),
                text: "the development inbox refused the message".to_owned(),
                retryable: answer.status().is_server_error(),
            },
            Err(error) => broken_call(&error),
        }
    }

    fn speaks(&self) -> bool {
        true
    }

    async fn health(&self) -> Result<Value, String> {
        let answer = self
            .http
            .get(format!("{}/health/live", self.base_url))
            .send()
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(json!({})),
            Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
            Err(_) => Err("Network error: the inbox cannot be reached".to_owned()),
        }
    }
}

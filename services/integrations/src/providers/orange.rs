//! Orange's "SMS Africa & Middle East 2.0", for Senegal (facts in providers.md 8.5). A bearer token is fetched with the
//! client's credentials and held for as long as it says; receipts are posted to us. Nothing there is idempotent.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use service_auth::tokens::sha256_hex;
use service_config::Secret;

use super::{MessageProvider, Outgoing, Receipt, SendOutcome, broken_call};

/// A token is not used in its last minute.
const MARGIN: Duration = Duration::from_secs(60);
/// Errors of a message that is wrong itself.
const PERMANENT: [&str; 4] = ["SVC0002", "SVC0003", "SVC0004", "SVC0280"];

/// Tokens of all accounts, by a digest of their credentials.
#[derive(Clone, Default)]
pub struct Tokens {
    held: Arc<Mutex<HashMap<String, (Secret, Instant)>>>,
}

/// Client of one account.
pub struct Orange {
    http: reqwest::Client,
    base_url: String,
    client_id: String,
    client_secret: Secret,
    /// `tel:+2210000` for Senegal.
    sender_address: String,
    sender_name: Option<String>,
    tokens: Tokens,
}

/// Delivery words of a posted receipt.
pub(crate) fn receipt(status: &str) -> Receipt {
    match status {
        "DeliveredToTerminal" => Receipt::Delivered,
        "DeliveryImpossible" => Receipt::Failed,
        _ => Receipt::Pending,
    }
}

impl Orange {
    /// A client at `base_url` (no final slash); `tokens` outlives it.
    pub fn new(
        http: reqwest::Client,
        base_url: String,
        client_id: String,
        client_secret: Secret,
        sender_address: String,
        sender_name: Option<String>,
        tokens: Tokens,
    ) -> Self {
        Self {
            http,
            base_url,
            client_id,
            client_secret,
            sender_address,
            sender_name,
            tokens,
        }
    }

    fn account(&self) -> String {
        let account = format!(
            "{}\n{}\n{}",
            self.base_url,
            self.client_id,
            self.client_secret.expose()
        );
        sha256_hex(account.as_bytes())
    }

    async fn token(&self, renew: bool) -> Result<Secret, SendOutcome> {
        let account = self.account();
        if !renew
            && let Some((token, until)) = self.tokens.held.lock().get(&account)
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        // Nothing was sent yet, so whatever goes wrong here is a refusal.
        let refused = |code: &str| SendOutcome::Refused {
            code: format!("orange.{code}"),
            text: "no access token was given".to_owned(),
            retryable: true,
        };
        let answer = self
            .http
            .post(format!("{}/oauth/v3/token", self.base_url))
            .basic_auth(&self.client_id, Some(self.client_secret.expose()))
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
            .send()
            .await
            .map_err(|_| refused("token_unreachable"))?;
        let status = answer.status().as_u16();
        let document: Value = answer
            .json()
            .await
            .map_err(|_| refused("token_unreadable"))?;
        let Some(token) = document["access_token"].as_str().filter(|_| status == 200) else {
            return Err(refused(&status.to_string()));
        };
        // A number or its text, by the version of the service.
        let lifetime = document["expires_in"]
            .as_u64()
            .or_else(|| document["expires_in"].as_str()?.parse().ok())
            .unwrap_or(3_600);
        let token = Secret::new(token.to_owned());
        let until = Instant::now() + Duration::from_secs(lifetime).saturating_sub(MARGIN);
        self.tokens
            .held
            .lock()
            .insert(account, (token.clone(), until));
        Ok(token)
    }

    async fn post(&self, body: &Value, token: &Secret) -> Result<(u16, Value), SendOutcome> {
        let sender: String =
            url::form_urlencoded::byte_serialize(self.sender_address.as_bytes()).collect();
        let answer = self
            .http
            .post(format!(
                "{}/smsmessaging/v1/outbound/{sender}/requests",
                self.base_url
            ))
            .bearer_auth(token.expose())
            .json(body)
            .send()
            .await
            .map_err(|error| broken_call(&error))?;
        let status = answer.status();
        if status.is_server_error() {
            return Err(SendOutcome::Unknown {
                code: "server_error",
            });
        }
        match answer.json().await {
            Ok(document) => Ok((status.as_u16(), document)),
            Err(_) if status.is_client_error() => Ok((status.as_u16(), Value::Null)),
            Err(_) => Err(SendOutcome::Unknown { code: "unreadable" }),
        }
    }

    fn read(status: u16, document: &Value) -> SendOutcome {
        if status == 201 {
            let request = &document["outboundSMSMessageRequest"];
            let address = request["resourceURL"]
                .as_str()
                .or_else(|| request["resourceReference"]["resourceURL"].as_str());
            return SendOutcome::Accepted {
                provider_message_id: address
                    .and_then(|address| address.trim_end_matches('/').rsplit('/').next())
                    .map(str::to_owned),
                cost: None,
                delivered: false,
            };
        }
        let error = &document["requestError"];
        let fault = ["serviceException", "policyException"]
            .iter()
            .map(|kind| &error[*kind])
            .find(|fault| fault.is_object());
        let code = fault.and_then(|fault| fault["messageId"].as_str());
        SendOutcome::Refused {
            code: format!(
                "orange.{}",
                code.map_or_else(|| status.to_string(), str::to_owned)
            ),
            text: fault
                .and_then(|fault| fault["text"].as_str())
                .unwrap_or("the provider refused the message")
                .to_owned(),
            retryable: !code.is_some_and(|code| PERMANENT.contains(&code)),
        }
    }
}

#[async_trait]
impl MessageProvider for Orange {
    fn recognises_repetition(&self, _: &Outgoing<'_>) -> bool {
        false
    }

    async fn send(&self, message: &Outgoing<'_>) -> SendOutcome {
        let mut request = json!({
            "address": format!("tel:{}", message.to),
            "senderAddress": self.sender_address,
            "outboundSMSTextMessage": {"message": message.text},
        });
        if let Some(name) = &self.sender_name {
            request["senderName"] = json!(name);
        }
        let body = json!({"outboundSMSMessageRequest": request});
        let mut answer = match self.token(false).await {
            Ok(token) => self.post(&body, &token).await,
            Err(outcome) => return outcome,
        };
        // The token ended before its time: once more with a new one.
        if matches!(answer, Ok((401, _))) {
            answer = match self.token(true).await {
                Ok(token) => self.post(&body, &token).await,
                Err(outcome) => return outcome,
            };
        }
        match answer {
            Ok((status, document)) => Self::read(status, &document),
            Err(outcome) => outcome,
        }
    }

    fn pushes_receipts(&self) -> bool {
        true
    }

    async fn health(&self) -> Result<Value, String> {
        let network = |_| "Network error: the provider cannot be reached".to_owned();
        let token = match self.token(false).await {
            Ok(token) => token,
            Err(SendOutcome::Refused { code, .. }) if !code.contains("token_") => {
                return Err("the client's credentials are refused".to_owned());
            }
            Err(_) => return Err("Network error: the provider cannot be reached".to_owned()),
        };
        let answer = self
            .http
            .get(format!("{}/sms/admin/v1/contracts", self.base_url))
            .bearer_auth(token.expose())
            .send()
            .await
            .map_err(network)?;
        if !answer.status().is_success() {
            return Err(format!("HTTP {}", answer.status().as_u16()));
        }
        let document: Value = answer
            .json()
            .await
            .map_err(|_| "Invalid response from API".to_owned())?;
        Ok(json!({"balance": units(&document)}))
    }
}

/// Units left over all contracts, in the newer shape (an array) or the older one (nested).
fn units(document: &Value) -> Option<i64> {
    let sum = |contracts: &Value| -> Option<i64> {
        contracts
            .as_array()?
            .iter()
            .map(|contract| contract["availableUnits"].as_i64())
            .sum()
    };
    sum(document).or_else(|| {
        document["partnerContracts"]["contracts"]
            .as_array()?
            .iter()
            .map(|contract| sum(&contract["serviceContracts"]))
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_in_both_shapes() {
        let new = json!([{"country": "SEN", "availableUnits": 40}, {"availableUnits": 2}]);
        let old = json!({"partnerContracts": {"contracts": [{"serviceContracts": [{"availableUnits": 42}]}]}});
        assert_eq!(
            (units(&new), units(&old), units(&json!({}))),
            (Some(42), Some(42), None)
        );
    }
}

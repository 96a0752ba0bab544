//! The lookup routes over HTTP, of the platform's own chat or of a foreign SOAPify.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use common_types::PhoneNumber;
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::Value;
use service_auth::ServiceTokens;
use service_config::Secret;

use super::{PatientSource, SourceError, SourcePatient};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Calls `{base}/users/by-phone/{phone}/` and `{base}/chat/summaries/latest/{id}/`.
pub(crate) struct Http {
    base: String,
    api_key: Option<Secret>,
    tokens: ServiceTokens,
    client: Client,
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Http")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(
        base: String,
        api_key: Option<Secret>,
        tokens: ServiceTokens,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(1))
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            base,
            api_key,
            tokens,
            client,
        })
    }

    async fn get(&self, path: &str) -> Result<Value, SourceError> {
        let token = match &self.api_key {
            Some(key) => key.expose().to_owned(),
            None => self.tokens.token().await.map_err(unavailable)?.to_string(),
        };
        let request = self
            .client
            .get(format!("{}{path}", self.base))
            .bearer_auth(token);
        let mut response = service_telemetry::traced(request)
            .send()
            .await
            .map_err(without_address)?;
        if response.status() != StatusCode::OK {
            return Err(SourceError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(without_address)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(SourceError::Unavailable(
                    "the answer is too large".to_owned(),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(unavailable)
    }
}

#[async_trait]
impl PatientSource for Http {
    async fn patient(&self, phone: &PhoneNumber) -> Result<SourcePatient, SourceError> {
        // The national form is what SOAPify's route was written for; other countries need the whole.
        let spelled = match phone.e164().strip_prefix("+98") {
            Some(_) => phone.national(),
            None => phone.e164().replace('+', "%2B"),
        };
        let user = self.get(&format!("/users/by-phone/{spelled}/")).await?;
        let id = match user.get("id") {
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) if is_plain(text) => text.clone(),
            _ => {
                return Err(SourceError::Unavailable(
                    "the answer has no usable id".to_owned(),
                ));
            }
        };
        let name = ["full_name", "username"]
            .iter()
            .filter_map(|member| user.get(member).and_then(Value::as_str))
            .find(|name| !name.is_empty());
        Ok(SourcePatient {
            id,
            name: name.unwrap_or_default().to_owned(),
        })
    }

    async fn latest_summary(&self, patient_id: &str) -> Result<Option<Value>, SourceError> {
        match self
            .get(&format!("/chat/summaries/latest/{patient_id}/"))
            .await
        {
            Ok(summary) if summary.is_object() => Ok(Some(summary)),
            // A patient without a summary is an answer, not a failure (wire.md 2.3).
            Ok(_) | Err(SourceError::Status(404)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// An id that may stand in a path as it is.
fn is_plain(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 64
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn unavailable(error: impl fmt::Display) -> SourceError {
    SourceError::Unavailable(error.to_string())
}

/// The address holds the phone number and must not reach a log.
fn without_address(error: reqwest::Error) -> SourceError {
    unavailable(error.without_url())
}

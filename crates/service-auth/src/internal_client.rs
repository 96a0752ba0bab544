//! One service calling another's `/internal/**` routes.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::service_tokens::ServiceTokens;

/// The time one call may take when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// A GET is tried so many times in all.
const GET_TRIES: u32 = 3;
/// The first pause between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A call that certainly did nothing, because its peer is just starting, is sent again so many times…
const STARTING_TRIES: u32 = 5;
/// …with this pause.
const STARTING_PAUSE: Duration = Duration::from_millis(300);
/// The code with which a service answers while it has no keys to check our token with.
const NO_KEYS_YET: &str = "auth.keys_unavailable";
/// A larger answer is refused.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Why an internal call gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InternalError {
    /// The peer answered, not with a success.
    #[error("the peer answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The body as text; may hold personal data, so never log it.
        body: String,
    },
    /// No answer in time; the peer may have done the work.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The peer could not be reached; it did nothing.
    #[error("the peer cannot be reached")]
    Connect,
    /// The connection broke or the answer was not readable; the peer may have done the work.
    #[error("the peer's answer is not usable: {0}")]
    Answer(String),
    /// We have no service token of our own.
    #[error("no service token: {0}")]
    Token(String),
}

impl InternalError {
    pub(crate) fn from_reqwest(error: reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Connect
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Answer(error.without_url().to_string())
        }
    }

    /// The peer's status, when it answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Timeout | Self::Connect | Self::Answer(_) | Self::Token(_) => None,
        }
    }

    /// Whether the peer may have done the work although we do not know.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Timeout | Self::Answer(_) => true,
            Self::Status { status, .. } => matches!(status, 500 | 503 | 504) && !self.is_starting(),
            Self::Connect | Self::Token(_) => false,
        }
    }

    /// Whether the peer did nothing because it is just starting: it does not listen yet, or has not
    /// fetched the keys that our token is checked with.
    fn is_starting(&self) -> bool {
        match self {
            Self::Connect => true,
            Self::Status { status: 503, body } => body.contains(NO_KEYS_YET),
            _ => false,
        }
    }

    fn may_retry(&self) -> bool {
        match self {
            Self::Connect | Self::Timeout | Self::Answer(_) => true,
            Self::Status { status, .. } => matches!(status, 502..=504),
            Self::Token(_) => false,
        }
    }
}

/// A client for one peer. Sends the service token and the trace context; retries GET only.
#[derive(Debug, Clone)]
pub struct InternalClient {
    base: String,
    tokens: ServiceTokens,
    http: reqwest::Client,
    timeout: Duration,
}

impl InternalClient {
    /// A client for the peer at `base` (scheme, host and port, and a path where all calls share one).
    #[must_use]
    pub fn new(base: &str, tokens: ServiceTokens) -> Self {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .unwrap_or_default();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            tokens,
            http,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The same client with another time limit per try.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// `GET base+path` as JSON, tried up to three times.
    ///
    /// # Errors
    /// Any [`InternalError`]; the last try's.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, InternalError> {
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            match self.call(Method::GET, path, None).await {
                Err(error) if tries < GET_TRIES && error.may_retry() => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// `POST base+path` with a JSON body; its work is asked for once.
    ///
    /// # Errors
    /// Any [`InternalError`]; [`InternalError::is_unknown`] tells whether the work may have been done.
    pub async fn post_json<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, InternalError> {
        let body =
            serde_json::to_vec(body).map_err(|error| InternalError::Answer(error.to_string()))?;
        self.call(Method::POST, path, Some(&body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
    ) -> Result<T, InternalError> {
        let token = self.tokens.token().await?;
        let mut result = self.send(&method, path, body, &token).await;
        // A refused token did nothing, so even a POST may be sent again with a new one.
        if result
            .as_ref()
            .is_err_and(|error| error.status() == Some(401))
        {
            self.tokens.invalidate(&token);
            let token = self.tokens.token().await?;
            result = self.send(&method, path, body, &token).await;
        }
        // So did a call to a peer that is just starting. (A GET is repeated by its caller above.)
        let tries = if method == Method::GET {
            1
        } else {
            STARTING_TRIES
        };
        for _ in 1..tries {
            if !result.as_ref().is_err_and(InternalError::is_starting) {
                break;
            }
            tokio::time::sleep(STARTING_PAUSE).await;
            result = self.send(&method, path, body, &token).await;
        }
        let bytes = result?;
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(json).map_err(|error| InternalError::Answer(error.to_string()))
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&[u8]>,
        token: &str,
    ) -> Result<Vec<u8>, InternalError> {
        let url = if path.starts_with('?') {
            format!("{}{path}", self.base)
        } else {
            format!("{}/{}", self.base, path.trim_start_matches('/'))
        };
        let mut request = self
            .http
            .request(method.clone(), url)
            .timeout(self.timeout)
            .bearer_auth(token)
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_vec());
        }
        let mut response = service_telemetry::traced(request)
            .send()
            .await
            .map_err(InternalError::from_reqwest)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(InternalError::from_reqwest)?
        {
            if bytes.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(InternalError::Answer("the answer is too large".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(InternalError::Status {
            status: status.as_u16(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }
}

//! Our own service token: fetched by client credentials (RFC 6749 §4.4), kept until shortly before it expires.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, TimeDelta, Utc};
use common_types::clock::SharedClock;
use serde::Deserialize;
use service_config::AuthSettings;

use crate::internal_client::InternalError;

/// A token is renewed when it has less than this left, in seconds.
const RENEW_BEFORE_SECONDS: i64 = 60;
/// After a failed fetch others fail at once for this long, in milliseconds, instead of queueing.
const REST_AFTER_FAILURE_MS: i64 = 500;

/// A token and the time at which it ends.
#[derive(Clone)]
pub struct FetchedToken {
    /// The compact JWT.
    pub token: Arc<str>,
    /// Its `exp`.
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for FetchedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

type FetchFuture = Pin<Box<dyn Future<Output = Result<FetchedToken, InternalError>> + Send>>;

struct Inner {
    fetch: Box<dyn Fn() -> FetchFuture + Send + Sync>,
    current: ArcSwapOption<FetchedToken>,
    one_at_a_time: tokio::sync::Mutex<()>,
    failed_at: AtomicI64,
    clock: SharedClock,
}

/// The service's own tokens; cheap to clone, the clones share one.
#[derive(Clone)]
pub struct ServiceTokens {
    inner: Arc<Inner>,
}

impl fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTokens").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    expires_in: i64,
}

impl ServiceTokens {
    /// Tokens of the client named in the settings, from `token_url`.
    #[must_use]
    pub fn new(settings: &AuthSettings, clock: SharedClock) -> Self {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .connect_timeout(Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        let url = settings.token_url.clone();
        let id = settings.client_id.clone();
        let secret = settings.client_secret.clone();
        let now = clock.clone();
        Self::from_fn(clock, move || {
            let body = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "client_credentials")
                .append_pair("client_id", &id)
                .append_pair("client_secret", secret.expose())
                .finish();
            let request = http
                .post(&url)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("accept", "application/json")
                .body(body);
            let now = now.clone();
            async move {
                let response = service_telemetry::traced(request)
                    .send()
                    .await
                    .map_err(InternalError::from_reqwest)?;
                let status = response.status().as_u16();
                let body = response.text().await.map_err(InternalError::from_reqwest)?;
                if status != 200 {
                    return Err(InternalError::Token(format!(
                        "the token endpoint answered {status}"
                    )));
                }
                let answer: TokenResponse = serde_json::from_str(&body).map_err(|_| {
                    InternalError::Token("the token endpoint's answer is not readable".into())
                })?;
                let expires_at = now.now() + TimeDelta::seconds(answer.expires_in.clamp(1, 86_400));
                Ok(FetchedToken {
                    token: answer.access_token.into(),
                    expires_at,
                })
            }
        })
    }

    /// Tokens from any function (the issuer signs its own).
    pub fn from_fn<F, Fut>(clock: SharedClock, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<FetchedToken, InternalError>> + Send + 'static,
    {
        let inner = Inner {
            fetch: Box::new(move || Box::pin(fetch())),
            current: ArcSwapOption::empty(),
            one_at_a_time: tokio::sync::Mutex::default(),
            failed_at: AtomicI64::new(i64::MIN / 2),
            clock,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A valid token, from memory or fetched; simultaneous callers share one fetch.
    ///
    /// # Errors
    /// When there is none and none can be fetched. A living one is used as long as it lives.
    pub async fn token(&self) -> Result<Arc<str>, InternalError> {
        if let Some(token) = self.living(RENEW_BEFORE_SECONDS) {
            return Ok(token);
        }
        let inner = &self.inner;
        let _one_at_a_time = inner.one_at_a_time.lock().await;
        if let Some(token) = self.living(RENEW_BEFORE_SECONDS) {
            return Ok(token);
        }
        let now = inner.clock.now().timestamp_millis();
        let resting =
            now.saturating_sub(inner.failed_at.load(Ordering::Relaxed)) < REST_AFTER_FAILURE_MS;
        let fetched = if resting {
            Err(InternalError::Token(
                "a moment ago none could be fetched".into(),
            ))
        } else {
            (inner.fetch)().await
        };
        match fetched {
            Ok(fresh) => {
                let token = fresh.token.clone();
                inner.current.store(Some(Arc::new(fresh)));
                Ok(token)
            }
            Err(error) => {
                if !resting {
                    inner.failed_at.store(now, Ordering::Relaxed);
                }
                self.living(1).ok_or(error)
            }
        }
    }

    /// Forgets the token if it is still this one (a peer refused it).
    pub fn invalidate(&self, token: &str) {
        let current = self.inner.current.load_full();
        if current.is_some_and(|current| &*current.token == token) {
            self.inner.current.store(None);
        }
    }

    fn living(&self, seconds: i64) -> Option<Arc<str>> {
        let current = self.inner.current.load();
        let current = current.as_ref()?;
        let left = current.expires_at - self.inner.clock.now();
        (left > TimeDelta::seconds(seconds)).then(|| current.token.clone())
    }
}

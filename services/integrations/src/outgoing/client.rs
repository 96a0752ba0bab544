//! Posting: one connection to a checked address, no redirect followed, nothing of the answer kept but its status.

use std::{
    error::Error,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{StatusCode, header};

use super::{
    guard::{NotPublic, PublicOnly, Rules},
    model,
    store::Attempt,
};

/// Posts to receivers.
#[derive(Clone)]
pub(crate) struct Poster {
    http: reqwest::Client,
    rules: Rules,
}

impl fmt::Debug for Poster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Poster")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// A signed request.
pub(crate) struct Signed {
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) signatures: String,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// What a receiver said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted {
    pub(crate) attempt: Attempt,
    /// It wants nothing ever again.
    pub(crate) gone: bool,
    /// It asks for a pause; zero: it is overloaded and does not say for how long.
    pub(crate) pause: Option<TimeDelta>,
}

impl Poster {
    /// A poster under these rules.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub(crate) fn new(rules: Rules) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve names itself, past the guard.
            .no_proxy()
            .https_only(!rules.allow_http)
            .dns_resolver(Arc::new(PublicOnly(rules.clone())))
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(2)
            .user_agent("tabib-webhooks/1")
            .build()
            .context("HTTP client of outgoing webhooks")?;
        Ok(Self { http, rules })
    }

    /// The rules by which an address is checked.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Posts once.
    pub(crate) async fn post(&self, signed: Signed, now: DateTime<Utc>) -> Posted {
        let started = Instant::now();
        let result = self.send(signed).await;
        let duration_ms = i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX);
        let failed = |status_code, error| Posted {
            attempt: Attempt {
                status_code,
                error: Some(error),
                duration_ms,
            },
            gone: false,
            pause: None,
        };
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => return failed(None, error),
        };
        let status = answer.status();
        let code = Some(i32::from(status.as_u16()));
        let stated = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| model::retry_after(value, now));
        let overloaded = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        );
        let error = if status.is_success() {
            None
        } else if status.is_redirection() {
            Some("redirect")
        } else {
            Some("status")
        };
        Posted {
            attempt: Attempt {
                status_code: code,
                error,
                duration_ms,
            },
            gone: status == StatusCode::GONE,
            pause: match error {
                None => None,
                Some(_) => stated.or_else(|| overloaded.then(TimeDelta::zero)),
            },
        }
    }

    async fn send(&self, signed: Signed) -> Result<reqwest::Response, &'static str> {
        // An address that was registered under other rules.
        let url = self
            .rules
            .check(&signed.url)
            .map_err(|_| "forbidden_address")?;
        self.http
            .post(url)
            .timeout(signed.timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", signed.id)
            .header("webhook-timestamp", signed.timestamp.to_string())
            .header("webhook-signature", signed.signatures)
            .body(signed.body)
            .send()
            .await
            .map_err(|error| reason_of(&error))
    }
}

/// A stable word; the error's own text may hold what a name resolved to.
fn reason_of(error: &reqwest::Error) -> &'static str {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<NotPublic>() {
            return "forbidden_address";
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "unreachable"
    } else {
        "connection_lost"
    }
}

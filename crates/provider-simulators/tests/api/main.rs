//! The simulators over HTTP, as their clients see them.
#![allow(clippy::unwrap_used)]

mod ai;
mod bitpay;
mod checkout;
mod inbox;
mod kavenegar;
mod sandbox;

use provider_simulators::{Options, Running, spawn};
use serde_json::Value;

/// A client that does not follow redirects, so that a test sees them.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

async fn simulators() -> Running {
    spawn(Options::default()).await.unwrap()
}

/// Posts fields as `application/x-www-form-urlencoded`.
trait Form {
    fn form_fields(self, fields: &[(&str, &str)]) -> reqwest::RequestBuilder;
}

impl Form for reqwest::RequestBuilder {
    fn form_fields(self, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }
}

async fn get(url: String) -> Value {
    client()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// Asks until `ready` says yes; fails after ten seconds.
async fn until(mut ready: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !ready().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the awaited state did not come"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

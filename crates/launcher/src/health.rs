//! Asking a process of this machine whether it is ready.

use std::time::Duration;

use anyhow::{Context, Result};

/// A client for health routes of this machine: no proxy, short timeouts.
pub fn http_client() -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .context("cannot build an HTTP client")
}

/// Whether `/health/ready` on this port answers 200.
pub async fn answers_ready(client: &reqwest::Client, port: u16) -> bool {
    client
        .get(format!("http://127.0.0.1:{port}/health/ready"))
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}

/// What keeps it from being ready, in its own words.
pub async fn why_not_ready(client: &reqwest::Client, port: u16) -> String {
    let answer = client
        .get(format!("http://127.0.0.1:{port}/health/ready"))
        .send()
        .await;
    match answer {
        Ok(answer) => {
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            format!("its health route answers {status}: {text}")
        }
        Err(_) => format!("nothing answers on port {port}"),
    }
}

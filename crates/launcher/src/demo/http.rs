//! A small HTTP client that says exactly which call answered what instead of what.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::Value;

pub use super::answer::{Answer, find};

/// How long a call is repeated while the service behind the gateway is away.
const AWAY_LIMIT: Duration = Duration::from_secs(15);

/// The client of one platform: every path is below its gateway.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    base: String,
    away_limit: Duration,
}

impl Http {
    /// A client for `http://host:port`.
    pub fn new(base: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .user_agent("tabib-demo/1")
            .build()?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
            away_limit: AWAY_LIMIT,
        })
    }

    /// The same client that repeats calls to something that is away for at most this long.
    pub fn patient_for(mut self, limit: Duration) -> Self {
        self.away_limit = limit.min(AWAY_LIMIT);
        self
    }

    /// `http://localhost:8080`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address for WebSockets: `ws://localhost:8080`.
    pub fn socket_base(&self) -> String {
        self.base.replacen("http", "ws", 1)
    }

    /// Starts a GET.
    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    /// Starts a POST.
    pub fn post(&self, path: &str) -> Call {
        self.call(Method::POST, path)
    }

    /// Starts a PATCH.
    pub fn patch(&self, path: &str) -> Call {
        self.call(Method::PATCH, path)
    }

    /// Starts any call. `path` may be a full address below the gateway, as answers give them.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        let url = if path.starts_with("http://") || path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        Call {
            name: format!("{method} {}", path.split('?').next().unwrap_or(path)),
            repeatable: method == Method::GET,
            away_limit: self.away_limit,
            request: self.client.request(method, url),
        }
    }
}

/// One call before it is sent.
pub struct Call {
    name: String,
    /// Whether it may be sent again after an answer that never came.
    repeatable: bool,
    away_limit: Duration,
    request: reqwest::RequestBuilder,
}

impl Call {
    /// Adds `Authorization: Bearer`.
    pub fn bearer(mut self, token: &str) -> Self {
        self.request = self.request.bearer_auth(token);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Adds a JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Adds exactly these bytes as a JSON body.
    pub fn raw_json(mut self, body: &[u8]) -> Self {
        self.request = self
            .request
            .header("Content-Type", "application/json")
            .body(body.to_vec());
        self
    }

    /// Adds a form as browsers send it.
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.request = self
            .request
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        self
    }

    /// Adds a multipart body: plain fields and one file.
    pub fn multipart(mut self, fields: &[(&str, &str)], file: &File<'_>) -> Self {
        let boundary = format!("tabib-{}", uuid::Uuid::now_v7().simple());
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            file.field, file.name, file.kind
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file.bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        self.request = self
            .request
            .header(
                "Content-Type",
                format!("multipart/form-data; boundary={boundary}"),
            )
            .body(body);
        self
    }

    /// Sends the call and reads the whole answer. While the gateway is away, or says that the
    /// service behind it is (502, 503, 504), the call is repeated for a while, as a person would:
    /// what was killed is back within a second. A call that may have done its work is not.
    pub async fn send(self) -> Result<Answer> {
        let deadline = Instant::now() + self.away_limit;
        loop {
            let again = self
                .request
                .try_clone()
                .context("the body cannot be repeated")?;
            let reason = match once(&self.name, again).await {
                Ok(answer) if !(502..=504).contains(&answer.status) => return Ok(answer),
                Ok(answer) if Instant::now() >= deadline => return Ok(answer),
                Ok(answer) => format!("{}, the service is away", answer.status),
                Err(error) if Instant::now() >= deadline || !self.may_repeat(&error) => {
                    return Err(error);
                }
                Err(_) => "no answer, the gateway is away".to_owned(),
            };
            crate::ui::line(format!("      {} → {reason}; once more", self.name));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    fn may_repeat(&self, error: &anyhow::Error) -> bool {
        let never_sent = error
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_connect);
        self.repeatable || never_sent
    }

    /// Sends the call once, whatever comes back.
    pub async fn send_once(self) -> Result<Answer> {
        once(&self.name, self.request).await
    }
}

async fn once(call: &str, request: reqwest::RequestBuilder) -> Result<Answer> {
    let call = call.to_owned();
    let answer = request
        .send()
        .await
        .with_context(|| format!("{call} got no answer"))?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body = answer
        .bytes()
        .await
        .with_context(|| format!("{call} broke off in its answer"))?
        .to_vec();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Answer {
        call,
        status,
        headers,
        body,
        json,
    })
}

/// A file of a multipart body.
pub struct File<'a> {
    pub field: &'a str,
    pub name: &'a str,
    pub kind: &'a str,
    pub bytes: &'a [u8],
}

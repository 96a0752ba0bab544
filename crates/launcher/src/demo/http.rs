//! A small HTTP client that says exactly which call answered what instead of what.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::Value;

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

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `POST /api/auth/otp/request/`.
    pub call: String,
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
    /// The body as JSON, or null.
    pub json: Value,
}

impl Answer {
    /// The status must be this one.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "{} answered {} where {status} was expected: {}",
            self.call,
            self.status,
            self.short()
        );
        Ok(self)
    }

    /// Every key must be there (dots go deeper).
    pub fn keys(self, keys: &[&str]) -> Result<Self> {
        let missing: Vec<&str> = keys
            .iter()
            .copied()
            .filter(|key| self.at(key).is_none())
            .collect();
        ensure!(
            missing.is_empty(),
            "{} lacks {}: {}",
            self.call,
            missing.join(", "),
            self.short()
        );
        Ok(self)
    }

    /// The value at `path` must be exactly this.
    pub fn is(self, path: &str, wanted: impl Into<Value>) -> Result<Self> {
        let wanted = wanted.into();
        let found = self.at(path).cloned().unwrap_or(Value::Null);
        ensure!(
            found == wanted,
            "{}: `{path}` is {found} where {wanted} was expected: {}",
            self.call,
            self.short()
        );
        Ok(self)
    }

    /// The text at `path` must be this literal; zero-width non-joiners do not count, because the
    /// replaced systems were not consistent about them.
    pub fn says(self, path: &str, literal: &str) -> Result<Self> {
        let plain = |text: &str| text.replace('\u{200c}', "");
        let found = self.text(path)?;
        ensure!(
            plain(&found) == plain(literal),
            "{}: `{path}` says `{found}` where `{literal}` was expected",
            self.call
        );
        Ok(self)
    }

    /// The header must have this value.
    pub fn header_is(self, name: &str, wanted: &str) -> Result<Self> {
        let found = self.header(name);
        ensure!(
            found == wanted,
            "{}: the header {name} is `{found}` where `{wanted}` was expected",
            self.call
        );
        Ok(self)
    }

    /// A header as text, empty when absent.
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }

    /// The value at a dotted path; numbers index lists.
    pub fn at(&self, path: &str) -> Option<&Value> {
        find(&self.json, path)
    }

    /// The text at `path`.
    pub fn text(&self, path: &str) -> Result<String> {
        match self.at(path).and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => bail!("{}: `{path}` is no text: {}", self.call, self.short()),
        }
    }

    /// The whole number at `path`.
    pub fn int(&self, path: &str) -> Result<i64> {
        match self.at(path).and_then(Value::as_i64) {
            Some(number) => Ok(number),
            None => bail!(
                "{}: `{path}` is no whole number: {}",
                self.call,
                self.short()
            ),
        }
    }

    /// The list at `path`; an empty path is the body itself.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        match self.at(path).and_then(Value::as_array) {
            Some(list) => Ok(list.clone()),
            None => bail!("{}: `{path}` is no list: {}", self.call, self.short()),
        }
    }

    /// The body, short enough for one message.
    pub fn short(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let mut short: String = text.chars().take(600).collect();
        if short.len() < text.len() {
            let _ = write!(short, "… ({} bytes)", text.len());
        }
        if short.is_empty() {
            "(no body)".clone_into(&mut short);
        }
        short
    }
}

/// The value at a dotted path of a JSON value.
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(value, |value, part| match part.parse::<usize>() {
            Ok(index) if value.is_array() => value.get(index),
            _ => value.get(part),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, json: Value) -> Answer {
        Answer {
            call: "GET /x/".to_owned(),
            status,
            headers: reqwest::header::HeaderMap::new(),
            body: json.to_string().into_bytes(),
            json,
        }
    }

    #[test]
    fn a_mismatch_names_the_call_and_both_sides() {
        let error = answer(500, json!({"detail": "no"}))
            .expect(200)
            .unwrap_err();
        assert!(error.to_string().contains("GET /x/ answered 500 where 200"));
        let error = answer(200, json!({"a": {"b": 1}}))
            .is("a.b", 2)
            .unwrap_err();
        assert!(error.to_string().contains("`a.b` is 1 where 2"));
        let error = answer(200, json!({"a": 1})).keys(&["a", "b"]).unwrap_err();
        assert!(error.to_string().contains("lacks b"));
    }

    #[test]
    fn literals_are_compared_without_zero_width_non_joiners() {
        let found = answer(200, json!({"message": "نمی\u{200c}شود"}));
        assert!(found.clone().says("message", "نمیشود").is_ok());
        assert!(found.says("message", "می شود").is_err());
    }

    #[test]
    fn paths_go_through_lists() {
        let value = json!({"results": [{"id": 7}]});
        assert_eq!(find(&value, "results.0.id"), Some(&json!(7)));
        assert_eq!(find(&value, "results.1.id"), None);
    }
}

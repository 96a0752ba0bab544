//! What the simulators of SMS vendors share: switches for bad days, the messages they took, and a record of the requests
//! they saw, so that a client's shape can be compared with that of the vendor's own package.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, http::header};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{inbox::NewMessage, server::Simulators};

/// Requests that are remembered.
const REMEMBERED: usize = 1_000;

/// Switches for a vendor's bad days (`GET|PUT /{vendor}/behaviour`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// The next sends answer this number of the vendor's table …
    pub fail_with: Option<i64>,
    /// … this many times (0 = until switched off).
    pub fail_times: u32,
    /// Milliseconds before an answer.
    pub delay_ms: u64,
    /// The message is taken before the delay: the outcome is unknown to the client.
    pub accept_before_delay: bool,
    /// Answers a text that is no document of this vendor.
    pub malformed: bool,
    /// Delivery status of every message, in the vendor's own words or numbers, instead of the natural progress.
    pub delivery_status: Option<String>,
}

/// A message that a vendor took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Identifier at the vendor.
    pub id: String,
    /// Receiver as given.
    pub to: String,
    /// The text as its receiver reads it.
    pub text: String,
    /// When it was taken.
    pub at: DateTime<Utc>,
}

/// The account of one vendor.
#[derive(Default)]
pub struct Vendor {
    faults: Mutex<Faults>,
    taken: Mutex<Vec<Taken>>,
}

impl Vendor {
    /// The switches as they are.
    pub fn faults(&self) -> Faults {
        self.faults.lock().clone()
    }

    /// Sets the switches.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = faults;
    }

    /// Everything that was taken, oldest first.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().clone()
    }

    /// A taken message.
    pub(crate) fn find(&self, id: &str) -> Option<Taken> {
        self.taken
            .lock()
            .iter()
            .find(|taken| taken.id == id)
            .cloned()
    }

    /// How many were taken: the next number.
    pub(crate) fn count(&self) -> usize {
        self.taken.lock().len()
    }

    pub(crate) fn add(&self, taken: Taken) {
        self.taken.lock().push(taken);
    }

    /// The forced error of this send, if any; counts down.
    pub(crate) fn forced_failure(&self) -> Option<i64> {
        let mut faults = self.faults.lock();
        let code = faults.fail_with?;
        if faults.fail_times > 0 {
            faults.fail_times -= 1;
            if faults.fail_times == 0 {
                faults.fail_with = None;
            }
        }
        Some(code)
    }

    /// Runs a handler between the configured delays; a malformed day replaces its answer.
    pub(crate) async fn answer(&self, work: impl FnOnce() -> HttpResponse) -> HttpResponse {
        let faults = self.faults();
        let delay = Duration::from_millis(faults.delay_ms);
        if !faults.accept_before_delay {
            tokio::time::sleep(delay).await;
        }
        let answer = work();
        if faults.accept_before_delay {
            tokio::time::sleep(delay).await;
        }
        if faults.malformed {
            return HttpResponse::Ok()
                .content_type("text/html")
                .body("<html><body>upstream is being served</body></html>");
        }
        answer
    }
}

/// Puts a taken message into the development inbox.
pub(crate) fn show(state: &Simulators, vendor: &str, taken: &Taken) -> anyhow::Result<()> {
    state
        .inbox
        .add(NewMessage {
            channel: "sms".to_owned(),
            to: taken.to.clone(),
            subject: None,
            text: taken.text.clone(),
            html: None,
            reference: Some(format!("{vendor}-{}", taken.id)),
        })
        .map(|_| ())
}

/// A request as a vendor saw it. Credentials are in it as the client sent them: the keys of simulators are no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Upper case.
    pub method: String,
    /// Without query.
    pub path: String,
    /// Without parameters such as the character set.
    pub content_type: String,
    /// Only the scheme (`Basic`, `Bearer`).
    pub authorization: Option<String>,
    /// A form's fields, or the JSON document.
    pub body: Value,
}

/// Remembers the newest requests.
#[derive(Default)]
pub struct Recorder {
    requests: Mutex<VecDeque<Recorded>>,
}

impl Recorder {
    /// Requests whose path contains `part`, oldest first.
    pub fn of(&self, part: &str) -> Vec<Recorded> {
        let requests = self.requests.lock();
        requests
            .iter()
            .filter(|request| request.path.contains(part))
            .cloned()
            .collect()
    }

    pub(crate) fn add(&self, request: &HttpRequest, body: &[u8]) {
        let text = |name: header::HeaderName| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        let recorded = Recorded {
            method: request.method().to_string(),
            path: request.path().to_owned(),
            content_type: content_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            authorization: text(header::AUTHORIZATION)
                .and_then(|value| value.split(' ').next().map(str::to_owned)),
            body: serde_json::from_slice(body)
                .unwrap_or_else(|_| serde_json::to_value(form(body)).unwrap_or_default()),
        };
        let mut requests = self.requests.lock();
        requests.push_back(recorded);
        while requests.len() > REMEMBERED {
            requests.pop_front();
        }
    }
}

/// Fields of a form body.
pub(crate) fn form(body: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// Whether a text carries a link, as vendors that forbid them look for it.
pub(crate) fn has_link(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["http://", "https://", "www."]
        .iter()
        .any(|mark| lower.contains(mark))
}

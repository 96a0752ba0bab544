//! OpenAI's chat completions, transcriptions and models as its documentation and its own client have them: bearer key,
//! errors as `{"error": {"message", "type", "param", "code"}}`, server-sent events that end with `[DONE]`. TalkBot's
//! simulator shares the texts it makes up.

mod http;
pub(crate) mod text;

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use http::{busy, events, routes};

/// Requests that are remembered.
const REMEMBERED: usize = 200;

/// Switches for bad days (`GET|PUT /openai/behaviour`, and of the others alike).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct AiBehaviour {
    /// The next calls answer this HTTP status …
    pub fail_with: Option<u16>,
    /// … this many times (0 = until switched off).
    pub fail_times: u32,
    /// `error.code` of those answers, such as `insufficient_quota`.
    pub fail_code: Option<String>,
    /// `Retry-After` of those answers, in seconds.
    pub retry_after: Option<u32>,
    /// Milliseconds before an answer; with 10 000 a client's timeout shows.
    pub delay_ms: u64,
    /// The answer is cut JSON.
    pub malformed: bool,
    /// A stream ends after so many parts, without its end.
    pub cut_after: Option<usize>,
    /// A stream tells of an error after so many parts.
    pub error_after: Option<usize>,
    /// Milliseconds between the parts of a stream.
    pub part_delay_ms: u64,
    /// Usage is left out, as some gateways do.
    pub omit_usage: bool,
    /// What is answered; absent: an echo of the question.
    pub reply: Option<String>,
}

/// A request as it came in.
#[derive(Debug, Clone, Serialize)]
pub struct AiCall {
    /// Path below the vendor's base.
    pub path: String,
    /// Names of the headers that matter, with their values; the key is masked.
    pub headers: Vec<(String, String)>,
    /// The JSON body, or the fields of a form.
    pub body: Value,
}

/// An account at an AI vendor.
#[derive(Debug, Default)]
pub struct AiAccount {
    behaviour: Mutex<AiBehaviour>,
    calls: Mutex<VecDeque<AiCall>>,
}

impl AiAccount {
    /// The switches.
    pub fn behaviour(&self) -> AiBehaviour {
        self.behaviour.lock().clone()
    }

    /// Sets the switches.
    pub fn set_behaviour(&self, behaviour: AiBehaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// Requests that came in, oldest first.
    pub fn calls(&self) -> Vec<AiCall> {
        self.calls.lock().iter().cloned().collect()
    }

    pub(crate) fn remember(&self, call: AiCall) {
        let mut calls = self.calls.lock();
        if calls.len() == REMEMBERED {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The status that the next call must answer, if it must fail.
    pub(crate) fn forced_failure(&self) -> Option<u16> {
        let mut behaviour = self.behaviour.lock();
        let status = behaviour.fail_with?;
        if behaviour.fail_times > 0 {
            behaviour.fail_times -= 1;
            if behaviour.fail_times == 0 {
                behaviour.fail_with = None;
            }
        }
        Some(status)
    }
}

//! The account: credit, templates, sent messages, and switches for its bad days.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::journal::Journal;

/// Switches and account data (`GET|PUT /kavenegar/behaviour`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// The next calls answer this `return.status` …
    pub fail_with: Option<u16>,
    /// … this many times (0 = until switched off).
    pub fail_times: u32,
    /// Milliseconds before an answer; with 10 000 a client's timeout shows.
    pub delay_ms: u64,
    /// The message is accepted, but its answer comes only after `delay_ms`: the outcome is unknown to the client.
    pub accept_before_delay: bool,
    /// Remaining credit in Rial; a send that costs more answers 418.
    pub credit: i64,
    /// Lines of the account.
    pub senders: Vec<String>,
    /// Approved templates: name → text with `%token`.
    pub templates: BTreeMap<String, String>,
    /// Tags defined in the panel.
    pub tags: Vec<String>,
    /// Delivery status of every message instead of the natural progress 1 → 5 → 10.
    pub delivery_status: Option<u16>,
    /// One send in so many fails, in turn by a refusal (409) and by an answer that is lost after the message was taken;
    /// 0 = none.
    pub fail_one_in: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        let templates = [
            ("verify", "کد تایید شما: %token"),
            ("otp-login", "کد ورود: %token"),
            ("patient-access-otp", "کد دسترسی پزشک به پرونده شما: %token"),
            ("portal-credentials", "کلید: %token رمز: %token2"),
        ];
        Self {
            fail_with: None,
            fail_times: 0,
            delay_ms: 0,
            accept_before_delay: false,
            credit: 50_000_000,
            senders: vec!["10004346".to_owned(), "2000500666".to_owned()],
            templates: templates
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            tags: Vec::new(),
            delivery_status: None,
            fail_one_in: 0,
        }
    }
}

/// An accepted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Identifier at the provider.
    pub messageid: i64,
    /// The client's deduplication key.
    pub localid: Option<i64>,
    /// Rendered text.
    pub message: String,
    /// Sending line.
    pub sender: String,
    /// `09…` or `00…`.
    pub receptor: String,
    /// Acceptance (or scheduled) time.
    pub date: DateTime<Utc>,
    /// Rial.
    pub cost: i64,
    /// By `verify/lookup`.
    pub by_template: bool,
    /// By `verify/lookup` with `type=call`: spoken in a telephone call.
    #[serde(default)]
    pub by_call: bool,
}

struct Inner {
    messages: BTreeMap<i64, Message>,
    /// Message by `localid`.
    by_localid: HashMap<i64, i64>,
    sends: u32,
    behaviour: Behaviour,
    journal: Journal,
    next_id: i64,
}

/// Simulator state.
pub struct Kavenegar {
    inner: Mutex<Inner>,
}

/// What happens to an unlucky send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadLuck {
    /// 409, nothing was taken.
    Refused,
    /// Taken, but a gateway's error page comes instead of the answer.
    Lost,
}

/// A message that passed the parameter rules.
pub(crate) struct Accepted {
    pub(crate) receptor: String,
    pub(crate) message: String,
    pub(crate) sender: String,
    pub(crate) date: Option<DateTime<Utc>>,
    pub(crate) localid: Option<i64>,
    pub(crate) by_template: bool,
    pub(crate) by_call: bool,
}

impl Kavenegar {
    pub(crate) fn open(folder: Option<&Path>) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open::<Message>(folder, "kavenegar")?;
        let messages: BTreeMap<i64, Message> = records
            .into_iter()
            .map(|(_, message)| (message.messageid, message))
            .collect();
        let next_id = messages
            .keys()
            .next_back()
            .map_or(8_792_343, |last| last + 1);
        let by_localid = messages
            .values()
            .filter_map(|message| Some((message.localid?, message.messageid)))
            .collect();
        Ok(Self {
            inner: Mutex::new(Inner {
                messages,
                by_localid,
                sends: 0,
                behaviour: Behaviour::default(),
                journal,
                next_id,
            }),
        })
    }

    /// The switches as they are.
    pub fn behaviour(&self) -> Behaviour {
        self.inner.lock().behaviour.clone()
    }

    /// Sets the switches.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.inner.lock().behaviour = behaviour;
    }

    /// All accepted messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.inner.lock().messages.values().cloned().collect()
    }

    /// The forced error of this call, if any; counts down.
    pub(crate) fn forced_failure(&self) -> Option<u16> {
        let mut inner = self.inner.lock();
        let behaviour = &mut inner.behaviour;
        let status = behaviour.fail_with?;
        if behaviour.fail_times > 0 {
            behaviour.fail_times -= 1;
            if behaviour.fail_times == 0 {
                behaviour.fail_with = None;
            }
        }
        Some(status)
    }

    /// How this send fails on a day when one in so many does.
    pub(crate) fn bad_luck(&self) -> Option<BadLuck> {
        let mut inner = self.inner.lock();
        let one_in = inner.behaviour.fail_one_in;
        if one_in == 0 {
            return None;
        }
        inner.sends = inner.sends.wrapping_add(1);
        match inner.sends % (2 * one_in) {
            0 => Some(BadLuck::Refused),
            turn if turn == one_in => Some(BadLuck::Lost),
            _ => None,
        }
    }

    /// Takes messages and their cost, all or none; a known `localid` gives the earlier record and costs nothing.
    /// The flag tells a new message from a repeated one.
    ///
    /// # Errors
    /// `return.status`: 418 without credit, 409 when the journal fails.
    pub(crate) fn accept(&self, wanted: Vec<Accepted>) -> Result<Vec<(Message, bool)>, u16> {
        let mut inner = self.inner.lock();
        let known = |inner: &Inner, localid: Option<i64>| {
            let id = inner.by_localid.get(&localid?)?;
            inner.messages.get(id).cloned()
        };
        let total: i64 = wanted
            .iter()
            .filter(|new| known(&inner, new.localid).is_none())
            .map(|new| rules::cost(&new.message))
            .sum();
        if total > inner.behaviour.credit {
            return Err(418);
        }
        let mut accepted = Vec::new();
        for new in wanted {
            if let Some(earlier) = known(&inner, new.localid) {
                accepted.push((earlier, false));
                continue;
            }
            let message = Message {
                messageid: inner.next_id,
                localid: new.localid,
                cost: rules::cost(&new.message),
                message: new.message,
                sender: new.sender,
                receptor: new.receptor,
                date: new.date.unwrap_or_else(Utc::now),
                by_template: new.by_template,
                by_call: new.by_call,
            };
            inner
                .journal
                .put(&message.messageid.to_string(), &message)
                .map_err(|_| 409_u16)?;
            inner.next_id += 1;
            inner.behaviour.credit -= message.cost;
            if let Some(localid) = message.localid {
                inner.by_localid.insert(localid, message.messageid);
            }
            inner.messages.insert(message.messageid, message.clone());
            accepted.push((message, true));
        }
        Ok(accepted)
    }

    /// Delivery status by number: natural progress, 100 for ids that are unknown or older than 48 hours.
    pub(crate) fn delivery(&self, messageid: i64, now: DateTime<Utc>) -> u16 {
        let inner = self.inner.lock();
        let Some(message) = inner.messages.get(&messageid) else {
            return 100;
        };
        let age = now - message.date;
        if age > TimeDelta::hours(48) {
            return 100;
        }
        inner
            .behaviour
            .delivery_status
            .unwrap_or(match age.num_milliseconds() {
                i64::MIN..0 => 2,
                0..500 => 1,
                500..2_000 => 5,
                _ => 10,
            })
    }

    /// Message of a `localid`, for `sms/statuslocalmessageid`.
    pub(crate) fn by_localid(&self, localid: i64) -> Option<Message> {
        let inner = self.inner.lock();
        let id = inner.by_localid.get(&localid)?;
        inner.messages.get(id).cloned()
    }
}

/// `statustext` of a delivery status.
pub(crate) fn status_text(status: u16) -> &'static str {
    match status {
        1 => "در صف ارسال قرار دارد",
        2 => "زمان بندی شده",
        4 | 5 => "ارسال به مخابرات",
        6 => "خطا در ارسال پیام",
        10 => "رسیده به گیرنده",
        11 => "نرسیده به گیرنده",
        13 => "ارسال پیام از سمت کاربر لغو شده",
        14 => "بلاک شده است",
        _ => "شناسه پیامک نامعتبر است",
    }
}

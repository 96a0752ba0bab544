//! Sessions of one vendor by id.

use std::{collections::HashMap, path::Path};

use chrono::Utc;
use parking_lot::Mutex;

use super::model::{Faults, Session, SessionRefund, SessionState};
use crate::journal::Journal;

/// A session to be opened.
pub(crate) struct NewSession {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) order_id: String,
    pub(crate) description: String,
    pub(crate) return_url: String,
    pub(crate) cancel_url: String,
    /// The call's idempotency key and body.
    pub(crate) request: Option<(String, String)>,
}

/// What an idempotency key has seen.
pub(crate) enum Replay {
    /// Nothing yet.
    New,
    /// The same call.
    Same(Box<Session>),
    /// A call with other parameters.
    Other,
}

struct Inner {
    sessions: HashMap<String, Session>,
    /// Ids, oldest first.
    order: Vec<String>,
    journal: Journal,
    faults: Faults,
}

/// One vendor's sessions.
pub struct Checkout {
    inner: Mutex<Inner>,
}

impl Checkout {
    pub(crate) fn open(folder: Option<&Path>, vendor: &str) -> anyhow::Result<Self> {
        let (journal, records) = Journal::open::<Session>(folder, vendor)?;
        let order = records.iter().map(|(id, _)| id.clone()).collect();
        Ok(Self {
            inner: Mutex::new(Inner {
                sessions: records.into_iter().collect(),
                order,
                journal,
                faults: Faults::default(),
            }),
        })
    }

    /// A session by the vendor's id.
    pub fn find(&self, id: &str) -> Option<Session> {
        self.inner.lock().sessions.get(id).cloned()
    }

    /// Sessions that `wanted` accepts, newest first.
    pub fn list(&self, wanted: impl Fn(&Session) -> bool) -> Vec<Session> {
        let inner = self.inner.lock();
        let newest_first = inner.order.iter().rev();
        newest_first
            .filter_map(|id| inner.sessions.get(id))
            .filter(|session| wanted(session))
            .cloned()
            .collect()
    }

    /// The switches as they stand.
    pub fn faults(&self) -> Faults {
        self.inner.lock().faults.clone()
    }

    /// Sets all switches.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().faults = faults;
    }

    /// The switches for one call; counters run down.
    pub(crate) fn next_fault(&self) -> Faults {
        let mut inner = self.inner.lock();
        let now = inner.faults.clone();
        if now.fail_calls > 0 {
            inner.faults.fail_calls -= 1;
        } else if now.garble_calls > 0 {
            inner.faults.garble_calls -= 1;
        }
        now
    }

    /// Whether the answer of a call that was carried out is lost.
    pub(crate) fn loses_answer(&self) -> bool {
        let mut inner = self.inner.lock();
        let loses = inner.faults.lose_answers > 0;
        inner.faults.lose_answers = inner.faults.lose_answers.saturating_sub(1);
        loses
    }

    pub(crate) fn replay(&self, key: &str, body: &str) -> Replay {
        let inner = self.inner.lock();
        let found = inner.sessions.values().find(|session| {
            session
                .request
                .as_ref()
                .is_some_and(|(earlier, _)| earlier == key)
        });
        match found {
            None => Replay::New,
            Some(session)
                if session
                    .request
                    .as_ref()
                    .is_some_and(|(_, seen)| seen == body) =>
            {
                Replay::Same(Box::new(session.clone()))
            }
            Some(_) => Replay::Other,
        }
    }

    pub(crate) fn create(&self, id: String, new: NewSession) -> anyhow::Result<Session> {
        let session = Session {
            id,
            amount: new.amount,
            currency: new.currency,
            order_id: new.order_id,
            description: new.description,
            return_url: new.return_url,
            cancel_url: new.cancel_url,
            request: new.request,
            state: SessionState::Open,
            verified: false,
            reference: None,
            refunds: Vec::new(),
            created_at: Utc::now(),
        };
        let mut inner = self.inner.lock();
        inner.order.push(session.id.clone());
        store(&mut inner, session.clone())?;
        Ok(session)
    }

    /// The payer's first decision counts; a session that lapsed cannot be paid.
    pub(crate) fn decide(
        &self,
        id: &str,
        approve: bool,
        reference: String,
    ) -> anyhow::Result<Option<Session>> {
        self.change(id, |session| {
            if session.state == SessionState::Open {
                session.state = match approve {
                    true => SessionState::Paid,
                    false => SessionState::Declined,
                };
                session.reference = approve.then_some(reference);
            }
        })
    }

    /// Changes a session under the lock; `None` when there is none.
    pub(crate) fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Session),
    ) -> anyhow::Result<Option<Session>> {
        let mut inner = self.inner.lock();
        let Some(mut session) = inner.sessions.get(id).cloned() else {
            return Ok(None);
        };
        change(&mut session);
        store(&mut inner, session.clone())?;
        Ok(Some(session))
    }

    /// Gives money back: at most what was taken, once per key. `Err` carries why not.
    pub(crate) fn refund(
        &self,
        id: &str,
        amount: Option<i64>,
        refund_id: String,
        (key, note): (Option<&str>, Option<&str>),
    ) -> anyhow::Result<Result<SessionRefund, &'static str>> {
        let mut outcome = Err("no such payment");
        self.change(id, |session| {
            let earlier = session
                .refunds
                .iter()
                .find(|refund| key.is_some() && refund.key.as_deref() == key);
            if let Some(earlier) = earlier {
                outcome = Ok(earlier.clone());
                return;
            }
            let left = session.amount - session.refunded();
            let amount = amount.unwrap_or(left);
            outcome = match session.state {
                SessionState::Paid if amount <= 0 => Err("the amount is not positive"),
                SessionState::Paid if amount > left => Err("more than was taken"),
                SessionState::Paid => Ok(SessionRefund {
                    id: refund_id,
                    amount,
                    key: key.map(str::to_owned),
                    note: note.map(str::to_owned),
                }),
                _ => Err("the payment is not paid"),
            };
            if let Ok(refund) = &outcome {
                session.refunds.push(refund.clone());
            }
        })?;
        Ok(outcome)
    }
}

fn store(inner: &mut Inner, session: Session) -> anyhow::Result<()> {
    inner.journal.put(&session.id, &session)?;
    inner.sessions.insert(session.id.clone(), session);
    Ok(())
}

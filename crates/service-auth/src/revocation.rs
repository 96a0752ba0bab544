//! What has been revoked, held in memory by every process (decisions.md 8, Q-A6).
//!
//! Two ways lead in: a broadcast event applied at once, and a poll of each owner (auth-otp for people, portal for
//! patients) at the start and every two seconds after. Nothing is remembered in Redis, so a flush changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use common_types::clock::SharedClock;
use common_types::events::auth::{RevocationKind, SessionRevoked};
use common_types::internal::auth::{Revocation, RevocationFeed};
use parking_lot::RwLock;
use uuid::Uuid;

use crate::internal_client::{InternalClient, InternalError};

/// Without news for this long the state counts as unknown and sensitive routes refuse, in seconds.
pub const STALE_AFTER_SECONDS: i64 = 30;

type FeedFuture = Pin<Box<dyn Future<Output = Result<RevocationFeed, InternalError>> + Send>>;

/// Where revocations are asked for: an owner's `/internal/revocations`, or the owner's own table.
#[derive(Clone)]
pub struct RevocationSource {
    pub(crate) name: Arc<str>,
    pub(crate) fetch: Arc<dyn Fn(i64) -> FeedFuture + Send + Sync>,
}

impl fmt::Debug for RevocationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSource")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl RevocationSource {
    /// Any function from the last cursor to the next feed.
    pub fn from_fn<F, Fut>(name: &str, fetch: F) -> Self
    where
        F: Fn(i64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RevocationFeed, InternalError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            fetch: Arc::new(move |since| Box::pin(fetch(since))),
        }
    }

    /// `GET …/internal/revocations?since=` of a peer; the client's base is that whole address.
    #[must_use]
    pub fn http(name: &str, client: InternalClient) -> Self {
        Self::from_fn(name, move |since| {
            let client = client.clone();
            async move { client.get_json(&format!("?since={since}")).await }
        })
    }
}

#[derive(Debug, Default)]
struct Contact {
    cursor: i64,
    last: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct State {
    /// Session id → when its last token has expired anyway.
    sessions: HashMap<Uuid, DateTime<Utc>>,
    /// User or patient id → tokens issued before the first time are dead; forgotten after the second.
    subjects: HashMap<Uuid, (i64, DateTime<Utc>)>,
    contacts: BTreeMap<Arc<str>, Contact>,
}

/// The revocations known to this process; cheap to clone.
#[derive(Clone)]
pub struct Revocations {
    state: Arc<RwLock<State>>,
    clock: SharedClock,
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.read();
        f.debug_struct("Revocations")
            .field("sessions", &state.sessions.len())
            .field("subjects", &state.subjects.len())
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// Nothing revoked, no owner expected yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            state: Arc::default(),
            clock,
        }
    }

    /// Applies one revocation; repeats and late arrivals do no harm.
    pub fn apply(&self, revocation: &Revocation) {
        let mut state = self.state.write();
        match revocation.kind {
            RevocationKind::Session => {
                let until = state
                    .sessions
                    .entry(revocation.id)
                    .or_insert(revocation.expires_at);
                *until = (*until).max(revocation.expires_at);
            }
            RevocationKind::User => {
                let entry = (revocation.not_before, revocation.expires_at);
                let known = state.subjects.entry(revocation.id).or_insert(entry);
                *known = (known.0.max(entry.0), known.1.max(entry.1));
            }
        }
    }

    /// Applies a broadcast `auth.session_revoked`.
    pub fn apply_event(&self, event: &SessionRevoked) {
        self.apply(&Revocation {
            kind: event.kind,
            id: event.id,
            not_before: event.not_before,
            expires_at: event.expires_at,
        });
    }

    /// Whether a token of this session and subject, issued at `issued_at` (Unix seconds), is dead.
    #[must_use]
    pub fn is_revoked(&self, session: Uuid, subject: Uuid, issued_at: i64) -> bool {
        let state = self.state.read();
        state.sessions.contains_key(&session)
            || state
                .subjects
                .get(&subject)
                .is_some_and(|(not_before, _)| issued_at < *not_before)
    }

    /// Expects news from this owner; until the first answer the state is stale.
    pub fn expect(&self, source: &str) {
        self.state
            .write()
            .contacts
            .entry(source.into())
            .or_default();
    }

    /// The owner's last cursor; 0 before the first answer.
    #[must_use]
    pub fn cursor(&self, source: &str) -> i64 {
        self.state
            .read()
            .contacts
            .get(source)
            .map_or(0, |contact| contact.cursor)
    }

    /// Applies an owner's answer and notes the contact.
    pub fn absorb(&self, source: &str, page: &RevocationFeed) {
        for revocation in &page.revocations {
            self.apply(revocation);
        }
        let now = self.clock.now();
        let mut state = self.state.write();
        let contact = state.contacts.entry(source.into()).or_default();
        contact.cursor = contact.cursor.max(page.cursor);
        contact.last = Some(now);
    }

    /// How long ago the most silent owner last answered; `None` when one never did. Zero when none is expected.
    #[must_use]
    pub fn staleness(&self) -> Option<TimeDelta> {
        let now = self.clock.now();
        let state = self.state.read();
        state
            .contacts
            .values()
            .try_fold(TimeDelta::zero(), |worst, contact| {
                Some(worst.max(now - contact.last?))
            })
    }

    /// Whether sensitive routes must refuse: an owner was silent for [`STALE_AFTER_SECONDS`] or never answered.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.staleness()
            .is_none_or(|silence| silence > TimeDelta::seconds(STALE_AFTER_SECONDS))
    }

    /// Forgets what no living token can need any more. An hour is kept beyond that, for clocks that differ.
    pub fn forget_expired(&self) {
        let limit = self.clock.now() - TimeDelta::hours(1);
        let mut state = self.state.write();
        state.sessions.retain(|_, until| *until > limit);
        state.subjects.retain(|_, (_, until)| *until > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_types::clock::{Clock, MovableClock};

    fn session(id: Uuid, clock: &MovableClock) -> Revocation {
        let now = clock.now();
        let expires_at = now + TimeDelta::minutes(15);
        Revocation {
            kind: RevocationKind::Session,
            id,
            not_before: now.timestamp(),
            expires_at,
        }
    }

    fn setup() -> (MovableClock, Revocations) {
        let clock = MovableClock::default();
        (clock.clone(), Revocations::new(clock.shared()))
    }

    #[test]
    fn a_session_and_a_subject_die() {
        let (clock, revocations) = setup();
        let (sid, user) = (Uuid::now_v7(), Uuid::now_v7());
        let now = clock.now().timestamp();
        assert!(!revocations.is_revoked(sid, user, now));
        revocations.apply(&session(sid, &clock));
        assert!(revocations.is_revoked(sid, user, now));
        let other = Uuid::now_v7();
        assert!(!revocations.is_revoked(other, user, now));
        revocations.apply(&Revocation {
            kind: RevocationKind::User,
            id: user,
            ..session(user, &clock)
        });
        assert!(revocations.is_revoked(other, user, now - 1));
        assert!(
            !revocations.is_revoked(other, user, now),
            "a login after the revocation lives"
        );
    }

    #[test]
    fn silence_makes_it_stale() {
        let (clock, revocations) = setup();
        assert!(!revocations.is_stale(), "nobody is expected");
        revocations.expect("auth-otp");
        assert!(revocations.is_stale(), "never heard of");
        revocations.absorb(
            "auth-otp",
            &RevocationFeed {
                cursor: 7,
                revocations: vec![],
            },
        );
        assert!(!revocations.is_stale());
        assert_eq!(revocations.cursor("auth-otp"), 7);
        clock.advance(TimeDelta::seconds(31));
        assert!(revocations.is_stale());
        revocations.expect("portal");
        revocations.absorb(
            "auth-otp",
            &RevocationFeed {
                cursor: 7,
                revocations: vec![],
            },
        );
        assert!(revocations.is_stale(), "one silent owner is enough");
    }

    #[test]
    fn what_no_token_needs_is_forgotten() {
        let (clock, revocations) = setup();
        let sid = Uuid::now_v7();
        revocations.apply(&session(sid, &clock));
        clock.advance(TimeDelta::seconds(3600));
        revocations.forget_expired();
        assert!(revocations.is_revoked(sid, sid, 0));
        clock.advance(TimeDelta::seconds(1000));
        revocations.forget_expired();
        assert!(!revocations.is_revoked(sid, sid, 0));
    }
}

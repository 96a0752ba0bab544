//! Permits this process holds, by policy and subject.
//!
//! A subject's first batch of a window is on credit: it is granted at once and paid together with the next one. A caller
//! seen once costs no question to Redis. While a purchase is on its way, as much as it may bring is granted ahead: many
//! calls at once do not each buy a batch. The overshoot stays at most one batch per process (decisions.md 15).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Denied;
use crate::routes::LimitPolicy;

const SHARDS: usize = 64;
/// Subjects remembered per shard before old ones are swept.
const SHARD_KEYS: usize = 4096;
/// The shortest time between two sweeps of a shard.
const SWEEP: Duration = Duration::from_secs(1);

/// What is left of a budget, as far as this process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// Permits at hand.
    pub(super) permits: u32,
    /// Calls that the limiter had left after the last purchase; `None` before the first one.
    pub(super) beyond: Option<u32>,
    /// Until the permits lapse with their window.
    pub(super) lapses: Duration,
}

/// What the permits at hand say.
pub(super) enum Taken {
    /// One was there.
    Yes(Rest),
    /// One was there and they run low: buy the next batch meanwhile, after paying so many.
    YesAndLow(u32, Rest),
    /// The budget was spent a moment ago; wait this long.
    No(Duration),
    /// None at hand: ask, after paying so many batches.
    Ask(u32),
}

struct Lease {
    /// Below zero: granted while a purchase was on its way, to be paid by it.
    permits: i64,
    /// Batches granted and not paid.
    debt: u32,
    buying: bool,
    /// Permits not used by then lapse with their window.
    until: Instant,
    /// Set by a refusal: until when nobody asks again.
    denied_until: Option<Instant>,
    /// When the limiter said that the next call is allowed.
    retry_at: Instant,
    /// See [`Rest::beyond`].
    beyond: Option<u32>,
}

impl Lease {
    /// A batch on credit, one permit of it used.
    fn on_credit(policy: &LimitPolicy, batch: u32, now: Instant) -> Self {
        Self {
            permits: i64::from(batch) - 1,
            debt: 1,
            buying: false,
            until: now + window(policy),
            denied_until: None,
            retry_at: now,
            beyond: None,
        }
    }

    fn rest(&self, now: Instant) -> Rest {
        Rest {
            permits: u32::try_from(self.permits).unwrap_or(0),
            beyond: self.beyond,
            lapses: self.until.saturating_duration_since(now),
        }
    }
}

fn window(policy: &LimitPolicy) -> Duration {
    Duration::from_secs(policy.window_seconds.into())
}

#[derive(Default)]
struct Shard {
    leases: HashMap<u64, Lease>,
    swept: Option<Instant>,
}

impl Shard {
    /// Forgets what has lapsed when there is much.
    fn sweep(&mut self, now: Instant) {
        let rested = self
            .swept
            .is_none_or(|swept| now.duration_since(swept) >= SWEEP);
        if self.leases.len() >= SHARD_KEYS && rested {
            self.leases.retain(|_, lease| {
                now < lease.until || lease.denied_until.is_some_and(|until| now < until)
            });
            self.swept = Some(now);
        }
    }
}

/// All leases of a process.
pub(super) struct Leases {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Leases {
    /// The keyed hash is the key: two subjects of one hash would share a lease, at odds of 2^-64.
    fn key(&self, policy: &LimitPolicy, subject: &[u8]) -> u64 {
        self.hasher.hash_one((policy.name.as_str(), subject))
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        &self.shards[usize::try_from(key % SHARDS as u64).unwrap_or(0)]
    }

    /// Takes a permit from those at hand.
    pub(super) fn take(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
        now: Instant,
    ) -> Taken {
        let key = self.key(policy, subject);
        let mut shard = self.shard(key).lock();
        let Some(lease) = shard.leases.get_mut(&key) else {
            shard.sweep(now);
            let lease = Lease::on_credit(policy, batch, now);
            let rest = lease.rest(now);
            shard.leases.insert(key, lease);
            return Taken::Yes(rest);
        };
        let denied = lease.denied_until.is_some_and(|until| now < until);
        if now >= lease.until && !denied && !lease.buying {
            // A window without a purchase paid for itself. Asking here would make all calls of this moment ask at once,
            // and together they would buy more than there is.
            *lease = Lease::on_credit(policy, batch, now);
            return Taken::Yes(lease.rest(now));
        }
        if lease.permits > 0 && now < lease.until {
            lease.permits -= 1;
            let low = lease.permits == i64::from(batch / 4) && batch >= 4;
            if low && !lease.buying && lease.denied_until.is_none() {
                lease.buying = true;
                return Taken::YesAndLow(std::mem::take(&mut lease.debt), lease.rest(now));
            }
            return Taken::Yes(lease.rest(now));
        }
        if denied {
            return Taken::No(lease.retry_at.saturating_duration_since(now));
        }
        // As much as the purchase on its way may bring, unless the last one brought nothing.
        if lease.buying
            && lease.denied_until.is_none()
            && now < lease.until
            && lease.permits > -i64::from(batch)
        {
            lease.permits -= 1;
            return Taken::Yes(lease.rest(now));
        }
        lease.buying = true;
        Taken::Ask(std::mem::take(&mut lease.debt))
    }

    /// Notes an answer of the limiter: a batch more (and so many calls left there), or nothing for a while.
    pub(super) fn put(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
        answer: &Result<u32, Denied>,
        now: Instant,
    ) {
        let key = self.key(policy, subject);
        note(key, policy, batch, answer, now, &mut self.shard(key).lock());
    }

    /// As [`Leases::put`] for a call that waited for the answer: takes its permit at once. `None` when there is none,
    /// also none that another call bought meanwhile.
    pub(super) fn put_and_take(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
        answer: &Result<u32, Denied>,
        now: Instant,
    ) -> Option<Rest> {
        let key = self.key(policy, subject);
        let mut shard = self.shard(key).lock();
        let lease = note(key, policy, batch, answer, now, &mut shard);
        (answer.is_ok() || (lease.permits > 0 && now < lease.until)).then(|| {
            lease.permits -= 1;
            lease.rest(now)
        })
    }
}

/// Writes an answer of the limiter into a subject's lease.
fn note<'a>(
    key: u64,
    policy: &LimitPolicy,
    batch: u32,
    answer: &Result<u32, Denied>,
    now: Instant,
    shard: &'a mut Shard,
) -> &'a mut Lease {
    let lease = shard.leases.entry(key).or_insert(Lease {
        permits: 0,
        debt: 0,
        buying: false,
        until: now,
        denied_until: None,
        retry_at: now,
        beyond: None,
    });
    lease.buying = false;
    match answer {
        Ok(left) => {
            lease.beyond = Some(*left);
            let kept = if now < lease.until { lease.permits } else { 0 };
            lease.permits = kept + i64::from(batch);
            lease.until = now + window(policy);
            lease.denied_until = None;
        }
        Err(denied) => {
            // Ask again after a second at most: other processes may have given up their share.
            lease.denied_until = Some(now + Duration::from_secs(denied.retry_after.min(1)));
            lease.retry_at = now + Duration::from_secs(denied.retry_after);
        }
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::LimitBy;

    const BATCH: u32 = 5;

    fn policy() -> LimitPolicy {
        LimitPolicy {
            name: "test".into(),
            calls: 100,
            window_seconds: 60,
            by: LimitBy::Ip,
            strict: false,
            shown: std::sync::OnceLock::new(),
        }
    }

    fn denied() -> Result<u32, Denied> {
        Err(Denied {
            policy: "test".into(),
            calls: 100,
            window_seconds: 60,
            retry_after: 3,
        })
    }

    #[test]
    fn a_lapsed_lease_is_renewed_by_one_call_not_bought_by_all_at_once() {
        let (leases, policy, start) = (Leases::default(), policy(), Instant::now());
        assert!(matches!(
            leases.take(&policy, b"a", BATCH, start),
            Taken::Yes(_)
        ));
        let later = start + Duration::from_secs(61);
        for index in 0..3 {
            let taken = leases.take(&policy, b"a", BATCH, later);
            assert!(matches!(taken, Taken::Yes(_)), "{index}");
        }
        // The low mark: one buys, and pays the batch that was on credit, not those of windows gone by.
        let taken = leases.take(&policy, b"a", BATCH, later);
        assert!(matches!(taken, Taken::YesAndLow(1, _)));
    }

    #[test]
    fn calls_beside_a_purchase_pass_up_to_what_it_brings_and_are_paid_by_it() {
        let (leases, policy, now) = (Leases::default(), policy(), Instant::now());
        let take = || leases.take(&policy, b"a", BATCH, now);
        let put_and_take = |answer: &Result<u32, Denied>| {
            let rest = leases.put_and_take(&policy, b"a", BATCH, answer, now);
            rest.is_some()
        };
        for _ in 0..3 {
            assert!(matches!(take(), Taken::Yes(_)));
        }
        assert!(matches!(take(), Taken::YesAndLow(1, _)));
        for index in 0..6 {
            assert!(matches!(take(), Taken::Yes(_)), "{index}");
        }
        assert!(matches!(take(), Taken::Ask(0)), "more than one batch ahead");
        leases.put(&policy, b"a", BATCH, &Ok(0), now);
        assert!(put_and_take(&Ok(0)));
        let left = (0..20).filter(|_| !matches!(take(), Taken::Ask(_))).count();
        // Two batches came, five permits were owed and one was taken: four are left, and one purchase more is ahead.
        assert_eq!(left, 4 + 5, "beside the one that bought");
    }

    #[test]
    fn a_refused_purchase_refuses_but_permits_of_another_still_count() {
        let (leases, policy, now) = (Leases::default(), policy(), Instant::now());
        let take = |at| leases.take(&policy, b"a", BATCH, at);
        let put_and_take = |answer: &Result<u32, Denied>| {
            let rest = leases.put_and_take(&policy, b"a", BATCH, answer, now);
            rest.is_some()
        };
        for _ in 0..10 {
            take(now);
        }
        assert!(matches!(take(now), Taken::Ask(0)));
        leases.put(&policy, b"a", 2 * BATCH, &Ok(0), now);
        assert!(put_and_take(&denied()));
        while put_and_take(&denied()) {}
        assert!(matches!(take(now), Taken::No(wait) if wait == Duration::from_secs(3)));
        let after = now + Duration::from_secs(2);
        assert!(matches!(take(after), Taken::Ask(_)), "one asks again");
        assert!(
            matches!(take(after), Taken::Ask(_)),
            "nothing is granted ahead after a refusal"
        );
    }
}

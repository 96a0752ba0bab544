//! Permits this process holds, by policy and subject.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Denied;
use crate::routes::LimitPolicy;

const SHARDS: usize = 64;
/// Subjects remembered per shard before old ones are swept.
const SHARD_KEYS: usize = 4096;

/// What the permits at hand say.
pub(super) enum Taken {
    /// One was there.
    Yes,
    /// One was there and they run low: buy the next batch meanwhile.
    YesAndLow,
    /// The budget was spent a moment ago; wait this long.
    No(Duration),
    /// None at hand: ask.
    Ask,
}

struct Lease {
    permits: u32,
    buying: bool,
    /// Permits not used by then lapse with their window.
    until: Instant,
    /// Set by a refusal: until when nobody asks again.
    denied_until: Option<Instant>,
    /// When the limiter said that the next call is allowed.
    retry_at: Instant,
}

/// All leases of a process.
pub(super) struct Leases {
    hasher: RandomState,
    shards: Vec<Mutex<HashMap<u64, Lease>>>,
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

    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, Lease>> {
        &self.shards[usize::try_from(key % SHARDS as u64).unwrap_or(0)]
    }

    pub(super) fn take(&self, policy: &LimitPolicy, subject: &[u8], batch: u32) -> Taken {
        let key = self.key(policy, subject);
        let mut shard = self.shard(key).lock();
        let Some(lease) = shard.get_mut(&key) else {
            return Taken::Ask;
        };
        let now = Instant::now();
        if lease.permits > 0 && now < lease.until {
            lease.permits -= 1;
            if lease.permits == batch / 4
                && batch >= 4
                && !lease.buying
                && lease.denied_until.is_none()
            {
                lease.buying = true;
                return Taken::YesAndLow;
            }
            return Taken::Yes;
        }
        match lease.denied_until {
            Some(until) if now < until => Taken::No(lease.retry_at.saturating_duration_since(now)),
            _ => Taken::Ask,
        }
    }

    /// Notes an answer of the limiter: a batch more, or nothing for a while.
    pub(super) fn put(
        &self,
        policy: &LimitPolicy,
        subject: &[u8],
        batch: u32,
        answer: &Result<(), Denied>,
    ) {
        let key = self.key(policy, subject);
        let mut shard = self.shard(key).lock();
        let now = Instant::now();
        if shard.len() >= SHARD_KEYS {
            shard.retain(|_, lease| {
                now < lease.until || lease.denied_until.is_some_and(|until| now < until)
            });
        }
        let lease = shard.entry(key).or_insert(Lease {
            permits: 0,
            buying: false,
            until: now,
            denied_until: None,
            retry_at: now,
        });
        lease.buying = false;
        match answer {
            Ok(()) => {
                let kept = if now < lease.until { lease.permits } else { 0 };
                lease.permits = kept.saturating_add(batch);
                lease.until = now + Duration::from_secs(policy.window_seconds.into());
                lease.denied_until = None;
            }
            Err(denied) => {
                // Ask again after a second at most: other processes may have given up their share.
                lease.denied_until = Some(now + Duration::from_secs(denied.retry_after.min(1)));
                lease.retry_at = now + Duration::from_secs(denied.retry_after);
            }
        }
    }

    /// Uses one permit of the batch just bought.
    pub(super) fn spend(&self, policy: &LimitPolicy, subject: &[u8]) {
        let key = self.key(policy, subject);
        if let Some(lease) = self.shard(key).lock().get_mut(&key) {
            lease.permits = lease.permits.saturating_sub(1);
        }
    }
}

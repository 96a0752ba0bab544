//! A circuit breaker per instance: minimum volume, half-open with one trial, growing pauses.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const HALF_OPEN: u8 = 2;

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BreakerRules {
    /// Counting window.
    pub window: Duration,
    /// Calls in the window below which a share of failures says nothing.
    pub minimum_volume: u32,
    /// Failures in a row that open it whatever the share.
    pub consecutive: u32,
    /// First pause; doubles at each failed trial.
    pub pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            minimum_volume: 10,
            consecutive: 5,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// What a breaker says about its instance, for status pages and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// No call passes until the pause is over.
    Open,
    /// One trial is on its way.
    HalfOpen,
}

/// Lock-free on the good path: one relaxed load before a call, three relaxed stores after it.
#[derive(Debug)]
pub struct Breaker {
    rules: BreakerRules,
    start: Instant,
    state: AtomicU8,
    window_start: AtomicU64,
    calls: AtomicU32,
    failures: AtomicU32,
    consecutive: AtomicU32,
    until: AtomicU64,
    pause: AtomicU64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(rules: BreakerRules) -> Self {
        Self {
            rules,
            start: Instant::now(),
            state: AtomicU8::new(CLOSED),
            window_start: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            consecutive: AtomicU32::new(0),
            until: AtomicU64::new(0),
            pause: AtomicU64::new(millis(rules.pause)),
        }
    }

    /// Whether a call may go out now. In half-open state exactly one caller gets `true` per pause.
    pub fn permits(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        if state == CLOSED {
            return true;
        }
        let now = self.now();
        let until = self.until.load(Ordering::Acquire);
        if now < until {
            return false;
        }
        // The one that moves `until` has the trial; should it never report, the next may try after another pause.
        let next = now + self.pause.load(Ordering::Relaxed);
        let won = self
            .until
            .compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if won {
            self.state.store(HALF_OPEN, Ordering::Release);
        }
        won
    }

    /// A call was answered (any status: an error document is an answer).
    pub fn succeeded(&self) {
        if self.state.load(Ordering::Acquire) != CLOSED {
            self.pause
                .store(millis(self.rules.pause), Ordering::Relaxed);
            self.calls.store(0, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
            self.state.store(CLOSED, Ordering::Release);
        }
        if self.consecutive.load(Ordering::Relaxed) != 0 {
            self.consecutive.store(0, Ordering::Relaxed);
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call got no answer: refused, broken or timed out.
    pub fn failed(&self) {
        let now = self.now();
        if self.state.load(Ordering::Acquire) == HALF_OPEN {
            let longer =
                (self.pause.load(Ordering::Relaxed) * 2).min(millis(self.rules.longest_pause));
            self.pause.store(longer, Ordering::Relaxed);
            self.open(now);
            return;
        }
        if now.saturating_sub(self.window_start.load(Ordering::Relaxed)) > millis(self.rules.window)
        {
            self.window_start.store(now, Ordering::Relaxed);
            self.calls.store(0, Ordering::Relaxed);
            self.failures.store(0, Ordering::Relaxed);
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let consecutive = self.consecutive.fetch_add(1, Ordering::Relaxed) + 1;
        let share = calls >= self.rules.minimum_volume && failures.saturating_mul(2) >= calls;
        if share || consecutive >= self.rules.consecutive {
            self.open(now);
        }
    }

    /// The state, for people.
    pub fn state(&self) -> BreakerState {
        match self.state.load(Ordering::Acquire) {
            CLOSED => BreakerState::Closed,
            HALF_OPEN => BreakerState::HalfOpen,
            _ => BreakerState::Open,
        }
    }

    fn open(&self, now: u64) {
        self.until
            .store(now + self.pause.load(Ordering::Relaxed), Ordering::Release);
        self.state.store(OPEN, Ordering::Release);
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> BreakerRules {
        BreakerRules {
            pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(80),
            ..Default::default()
        }
    }

    fn wait_until_permitted(breaker: &Breaker) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !breaker.permits() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_a_good_trial() {
        let breaker = Breaker::new(rules());
        for _ in 0..4 {
            breaker.failed();
        }
        assert!(breaker.permits());
        breaker.failed();
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.permits());
        wait_until_permitted(&breaker);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(!breaker.permits(), "only one trial");
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.permits());
    }

    #[test]
    fn a_failed_trial_opens_it_again_for_longer() {
        let breaker = Breaker::new(rules());
        for _ in 0..5 {
            breaker.failed();
        }
        wait_until_permitted(&breaker);
        let trial = Instant::now();
        breaker.failed();
        wait_until_permitted(&breaker);
        assert!(
            trial.elapsed() >= Duration::from_millis(39),
            "{:?}",
            trial.elapsed()
        );
    }

    #[test]
    fn a_share_of_failures_needs_the_minimum_volume() {
        let breaker = Breaker::new(rules());
        for _ in 0..4 {
            breaker.succeeded();
            breaker.failed();
        }
        assert_eq!(breaker.state(), BreakerState::Closed, "8 calls are too few");
        breaker.succeeded();
        breaker.failed();
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}

use std::time::{Duration, Instant};

use common_types::clock::MovableClock;

/// Asks `condition` until it answers true; fails the test when it has not within `deadline`.
///
/// # Panics
/// When the deadline passes.
#[track_caller]
pub fn eventually<F>(deadline: Duration, condition: F) -> impl Future<Output = ()>
where
    F: AsyncFn() -> bool,
{
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(5);
        while !condition().await {
            assert!(Instant::now() < end, "not within {deadline:?} at {caller}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

/// Like [`eventually`] on a clock that stands still: it moves by `step` once a second, so that what waits for its next try
/// comes due while what a worker holds now can end within its lease.
///
/// # Panics
/// When the deadline passes.
#[track_caller]
pub fn eventually_stepping<F>(
    clock: &MovableClock,
    step: chrono::TimeDelta,
    deadline: Duration,
    condition: F,
) -> impl Future<Output = ()>
where
    F: AsyncFn() -> bool,
{
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut next_step = Instant::now();
        while !condition().await {
            let now = Instant::now();
            assert!(now < end, "not within {deadline:?} at {caller}");
            if now >= next_step {
                clock.advance(step);
                next_step = now + Duration::from_secs(1);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

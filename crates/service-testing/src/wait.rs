use std::time::{Duration, Instant};

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

//! Named places at which a test kills the process, to prove that dying there loses and doubles
//! nothing (reliability Q-M4).
//!
//! The variable `TABIB_CRASH_POINT` names one place, with `:n` for its n-th visit. Without it a place
//! costs one comparison. A service refuses to start in production when it is set.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

/// The environment variable.
pub const VARIABLE: &str = "TABIB_CRASH_POINT";

static WANTED: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    Some(match text.split_once(':') {
        Some((name, visit)) => (name.to_owned(), visit.parse().unwrap_or(1)),
        None => (text, 1),
    })
});
static VISITS: AtomicU32 = AtomicU32::new(0);

/// Whether any place is named.
pub fn armed() -> bool {
    WANTED.is_some()
}

/// Aborts the process when `name` is the named place and this its named visit. Use
/// [`crash_point!`](crate::crash_point).
pub fn visit(name: &str) {
    if let Some((wanted, at)) = WANTED.as_ref()
        && wanted == name
        && VISITS.fetch_add(1, Ordering::SeqCst) + 1 == *at
    {
        // Nothing is unwound, flushed or rolled back: as with kill -9.
        std::process::abort();
    }
}

/// A named place at which a test kills the process; see [`crash`](crate::crash).
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::visit($name)
    };
}

//! The log of everything done with a provider (I08). It never holds a key, a code, a text or a whole phone number:
//! callers hand over masked values only, and [`redact`] lets through nothing but short words, numbers and ids all the same.
//!
//! The table is partitioned by day (UTC): a job makes the days ahead and drops those past the retention, so that forgetting a
//! day costs nothing. A row for which no day was made lands in a catch-all and moves when its day is made.

pub(crate) mod http;
mod origin;
pub(crate) mod partitions;
mod redact;
pub(crate) mod statistics;
pub(crate) mod store;

pub(crate) use origin::Origin;
pub(crate) use redact::{redact, redact_text};

/// What helssa's clients read when a limit or a rule allows no more (wire.md 3.6).
pub(crate) const LIMIT_REACHED: &str = "تعداد درخواست‌ها بیش از حد مجاز است";

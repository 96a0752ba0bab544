//! Another phone for an account, proved on both numbers (targets 2.1).
//!
//! What always holds: it begins with a fresh proof of the person; both codes are bound to the session and to the new
//! number, so neither can be used for another one; the old number is told; the other sessions end; payouts wait a day
//! ([`PhoneSettings::payout_hold_seconds`]). Who came in with an admin's recovery code has lost the old number and
//! proves the new one only.
//!
//! [`PhoneSettings::payout_hold_seconds`]: crate::settings::PhoneSettings::payout_hold_seconds

pub mod http;
pub(crate) mod store;

use chrono::{DateTime, TimeDelta, Utc};

use crate::settings::Settings;

impl Settings {
    /// Until when payouts to this person wait because their phone is a new one.
    #[must_use]
    pub fn payouts_held_until(
        &self,
        phone_changed_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let hold = TimeDelta::seconds(self.phone_change.payout_hold_seconds);
        phone_changed_at
            .map(|at| at + hold)
            .filter(|until| *until > now)
    }
}

//! Payments that portal recorded at the desk, booked into the ledger (decision 18).
//!
//! Always holds: the ledger shows the newest version of each recorded payment; a correction is a
//! reversal and a new booking, never an edit; what was paid online is not booked twice.

mod events;
mod service;

pub(crate) use events::BookRecorded;

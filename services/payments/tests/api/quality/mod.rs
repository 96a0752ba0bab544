//! The large numbers of Q-M1, Q-M2 and Q-M5.

mod keys;
mod random_ledger;
mod webhooks;

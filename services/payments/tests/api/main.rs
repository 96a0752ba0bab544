//! The real server over HTTP, with real PostgreSQL, Redis and RabbitMQ, and the simulators as providers;
//! portal is played.
#![allow(clippy::unwrap_used)]

mod bookings;
mod chelseru;
mod clinic;
mod crashes;
mod crazyminer;
mod features;
mod gateway;
mod gathered;
mod invariants;
mod invoices;
mod ledger;
mod payouts;
mod quality;
mod reconciliation;
mod refunds;
mod repeats;
mod resets;
mod settlement;
mod support;
mod vendor_refunds;
mod vendor_routing;
mod vendor_sdks;
mod vendors;
mod wallet;

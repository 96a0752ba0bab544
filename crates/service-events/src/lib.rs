//! Events between services: the outbox and its relay, topology, consumers with an inbox, retries,
//! dead letters and their replay, broadcasts.
//!
//! The crate moves envelopes and knows no event's meaning. What it promises: an event whose
//! transaction committed is published at least once, and applied exactly once by each consumer
//! (its inbox row commits with the effect), however often processes or the broker die in between.
//!
//! Needs RabbitMQ 3.10 or newer with the feature flag `stream_queue` (on in every fresh node):
//! without it the broker silently dead-letters at most once instead of at least once.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod broadcast;
mod broker;
mod command;
mod consume;
mod consumers;
pub mod dead_letters;
mod drain;
mod handler;
pub mod inbox;
pub mod outbox;
mod relay;
mod schema;
mod stats;
mod topology;
mod worker;

pub use broadcast::{Broadcast, BroadcastStream};
pub use broker::Broker;
pub use command::{DeadLetterAction, DeadLetterCommand};
pub use consumers::Consumers;
pub use handler::{EventHandler, HandlerError};
pub use outbox::Outbox;
pub use relay::{Published, Relay};
pub use stats::{OutboxStatus, outbox_status, sweep};
pub use topology::{RetryPolicy, Topology};
pub use worker::Worker;

/// Why the broker could not be asked, or a message could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The broker refused, or the connection broke.
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    /// The broker did not answer in time.
    #[error("broker did not answer within {0} s")]
    Timeout(u64),
    /// The broker has no queue for the message.
    #[error("no queue takes {0}")]
    Unroutable(String),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] service_db::DbError),
    /// There is no such dead letter.
    #[error("no dead letter {0}")]
    UnknownDeadLetter(uuid::Uuid),
    /// The broker's address cannot be read.
    #[error("broker address: {0}")]
    Address(String),
}

impl From<diesel::result::Error> for EventsError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

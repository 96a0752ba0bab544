use service_config::{AmqpSettings, RedisSettings};
use service_events::Broker;
use uuid::Uuid;

/// The address of a PostgreSQL role that may create databases and roles.
///
/// # Panics
/// When `DATABASE_URL` is not set.
pub fn database_url() -> String {
    required("DATABASE_URL")
}

/// The broker's address.
///
/// # Panics
/// When `AMQP_URL` is not set.
pub fn amqp_url() -> String {
    required("AMQP_URL")
}

/// The address of Redis.
///
/// # Panics
/// When `REDIS_URL` is not set.
pub fn redis_url() -> String {
    required("REDIS_URL")
}

fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("tests need {name}; run them by `make test`"))
}

/// A part of the broker and of Redis that no other test sees. Its queues expire by themselves.
#[derive(Debug, Clone)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self::new()
    }
}

impl Prefix {
    /// A prefix nobody else has.
    pub fn new() -> Self {
        Self(format!("test-{}", Uuid::now_v7().simple()))
    }

    /// The prefix itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Settings of the broker under this prefix.
    pub fn amqp(&self) -> AmqpSettings {
        self.amqp_at(&amqp_url())
    }

    /// Settings of the broker under this prefix, reached at another address, such as a
    /// [`crate::LinkProxy`]'s.
    pub fn amqp_at(&self, url: &str) -> AmqpSettings {
        AmqpSettings {
            url: service_config::Secret::from(url.to_owned()),
            prefix: self.0.clone(),
        }
    }

    /// The broker under this prefix.
    ///
    /// # Panics
    /// When `AMQP_URL` is no AMQP address.
    pub fn broker(&self) -> Broker {
        Broker::new(&self.amqp()).expect("AMQP_URL is an address")
    }

    /// Settings of Redis under this prefix.
    pub fn redis(&self) -> RedisSettings {
        RedisSettings {
            url: service_config::Secret::from(redis_url()),
            prefix: self.0.clone(),
        }
    }
}

//! Loads and checks a service's settings.
//!
//! Order, later wins: the defaults embedded in the binary, the file named by `TABIB_CONFIG_FILE`, old names ([`Alias`]), the well-known
//! variables (`DATABASE_URL`, `REDIS_URL`, `AMQP_URL`, `RUST_LOG`, `OTEL_EXPORTER_OTLP_ENDPOINT`, `TABIB_ENVIRONMENT`), and
//! `<SERVICE>__SECTION__KEY`. A variable that is set but empty counts as unset. Unknown keys are refused by name; a missing one is
//! named with its variable; no value of any key ever stands in an error.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod environment;
mod error;
mod layers;
mod load;
mod secret;
mod sections;
mod sources;

pub use environment::Environment;
pub use error::ConfigError;
pub use load::{Alias, alias_conflicts, load, load_with_aliases};
pub use secret::Secret;
pub use sections::{
    AmqpSettings, AuthSettings, DatabaseSettings, LogFormat, PeerSettings, RedisSettings,
    SealingSettings, ServerSettings, TelemetrySettings,
};
pub use sources::Sources;

/// Rules that go over more than one key, checked after loading.
pub trait Validate {
    /// Checks the settings.
    ///
    /// # Errors
    /// One sentence for each broken rule, naming the key and never its value when that is a secret.
    fn validate(&self) -> Result<(), Vec<String>>;
}

/// Joins the outcomes of several [`Validate`] calls into one list.
///
/// # Errors
/// Every sentence of every failed outcome.
pub fn all(outcomes: impl IntoIterator<Item = Result<(), Vec<String>>>) -> Result<(), Vec<String>> {
    let broken: Vec<String> = outcomes
        .into_iter()
        .filter_map(Result::err)
        .flatten()
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken)
    }
}

/// `Ok` when `holds`, else the sentence.
///
/// # Errors
/// The sentence, when the rule does not hold.
pub fn rule(holds: bool, sentence: &str) -> Result<(), Vec<String>> {
    if holds {
        Ok(())
    } else {
        Err(vec![sentence.to_owned()])
    }
}

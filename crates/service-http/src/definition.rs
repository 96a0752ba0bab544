//! What a service says about itself so that its `main` fits on a screen.

use actix_web::web::ServiceConfig;
use diesel_migrations::EmbeddedMigrations;
use service_auth::RevocationSource;
use service_config::Alias;
use service_events::{Consumers, Worker};

use crate::{
    health::Check,
    stack::{ServiceSettings, Stack},
};

/// One service of the platform. `cli::main::<S>()` turns it into a program with the subcommands
/// `serve`, `worker`, `migrate`, `openapi`, `check-config`, `dead-letters`, `seed` and `audit`.
pub trait ServiceDefinition: 'static {
    /// Package name, such as `patient-access`; also the prefix of its environment variables.
    const NAME: &'static str;
    /// The embedded `settings.default.toml`.
    const DEFAULTS_TOML: &'static str;
    /// The service's own migrations.
    const MIGRATIONS: EmbeddedMigrations;
    /// Own tables that the service's role may only read and append to.
    const APPEND_ONLY: &'static [&'static str] = &[];
    /// Old environment variables of replaced systems that still work.
    const ALIASES: &'static [Alias] = &[];

    /// The service's settings.
    type Settings: ServiceSettings;
    /// What handlers, consumers and jobs share.
    type State: Clone + Send + Sync + 'static;

    /// The service's API document.
    fn openapi() -> utoipa::openapi::OpenApi;

    /// Builds the state; connects to nothing that must be there at start.
    ///
    /// # Errors
    /// When the settings cannot be used.
    fn build(
        settings: Self::Settings,
        stack: Stack,
    ) -> impl Future<Output = anyhow::Result<Self::State>> + Send;

    /// The HTTP map. Register paths **without** their final slash: both forms reach them.
    fn configure(config: &mut ServiceConfig, state: Self::State);

    /// The event map: queue → handler.
    fn consumers(_state: &Self::State, consumers: Consumers) -> Consumers {
        consumers
    }

    /// Jobs and loops of the worker; relay and consumers are already in it.
    fn worker(_state: &Self::State, worker: Worker) -> Worker {
        worker
    }

    /// Readiness checks beside database, redis and keys.
    fn checks(_state: &Self::State) -> Vec<Check> {
        Vec::new()
    }

    /// Where revocations come from; `None` is auth-otp and portal over HTTP.
    fn revocation_sources(_state: &Self::State) -> Option<Vec<RevocationSource>> {
        None
    }

    /// Puts the named sample data in, any number of times with the same result. Never runs in production.
    ///
    /// # Errors
    /// When there is no such data or it cannot be written.
    fn seed(_state: &Self::State, name: &str) -> impl Future<Output = anyhow::Result<()>> + Send {
        let name = name.to_owned();
        async move { anyhow::bail!("{} has no seed named {name:?}", Self::NAME) }
    }

    /// Subcommands of the service's own; `arguments` holds the name and what follows it.
    ///
    /// # Errors
    /// When there is no such command or it fails.
    fn command(
        _state: &Self::State,
        arguments: &[String],
    ) -> impl Future<Output = anyhow::Result<()>> + Send {
        let name = arguments.first().cloned().unwrap_or_default();
        async move { anyhow::bail!("unknown command {name:?}") }
    }
}

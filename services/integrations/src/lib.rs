#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod actor;
pub mod ai;
mod consumers;
mod credential;
mod defaults;
mod file;
mod jobs;
mod log;
mod message;
mod openapi;
pub mod outgoing;
mod provider;
pub mod providers;
mod rate_rule;
mod reseal;
mod routes;
mod schema;
pub mod settings;
mod state;
mod template;
mod v1;
pub mod webhook;

use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_config::Alias;
use service_events::{Consumers, Worker};
use service_http::{Check, ServiceDefinition, Stack};

pub use settings::Settings;
pub use state::AppState;

/// The service, as `service_http::cli` starts it.
pub struct Integrations;

impl ServiceDefinition for Integrations {
    const NAME: &'static str = "integrations";
    const DEFAULTS_TOML: &'static str = include_str!("../settings.default.toml");
    const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/integrations");
    const ALIASES: &'static [Alias] = settings::ALIASES;

    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        openapi::document()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        AppState::build(settings, stack)
    }

    fn configure(config: &mut ServiceConfig, state: AppState) {
        routes::configure(config, state);
    }

    fn consumers(state: &AppState, consumers: Consumers) -> Consumers {
        consumers::register(state, consumers)
    }

    fn worker(state: &AppState, worker: Worker) -> Worker {
        jobs::register(state, worker)
    }

    fn checks(state: &AppState) -> Vec<Check> {
        let state = state.clone();
        vec![Check::new("providers", move || {
            let state = state.clone();
            async move { state.ready().await.map_err(|error| format!("{error:#}")) }
        })]
    }

    async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
        anyhow::ensure!(name == "demo", "integrations has no seed named {name:?}");
        state.ready().await
    }
}

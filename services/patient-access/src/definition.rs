use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_config::Alias;
use service_events::{Consumers, Worker};
use service_http::{ServiceDefinition, Stack};

use crate::{AppState, Settings, consumers, jobs, openapi, routes, settings};

/// The tables of patient-access.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/patient-access");

/// The patient-access service.
#[derive(Clone, Copy, Debug)]
pub struct PatientAccess;

impl ServiceDefinition for PatientAccess {
    const NAME: &'static str = "patient-access";
    const DEFAULTS_TOML: &'static str = include_str!("../settings.default.toml");
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
    const ALIASES: &'static [Alias] = settings::ALIASES;
    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        openapi::document()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        AppState::new(&settings, stack)
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
}

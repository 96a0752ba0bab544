use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_events::{Consumers, Worker};
use service_http::{ServiceDefinition, Stack};

use crate::{AppState, Settings, consumers, jobs, openapi, routes, seed};

/// The tables of content.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/content");

/// The content service.
#[derive(Clone, Copy, Debug)]
pub struct ContentService;

impl ServiceDefinition for ContentService {
    const NAME: &'static str = "content";
    const DEFAULTS_TOML: &'static str = include_str!("../settings.default.toml");
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
    const APPEND_ONLY: &'static [&'static str] = &["content_audit_logs", "usage_logs"];
    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        openapi::document()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        Ok(AppState::new(&settings, stack))
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

    async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
        seed::load(state, name).await
    }
}

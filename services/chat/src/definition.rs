use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_events::{Consumers, Worker};
use service_http::{ServiceDefinition, Stack};

use crate::{AppState, Settings, consumers, jobs, openapi, routes, socket};

/// The tables of chat.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/chat");

/// The chat service.
#[derive(Clone, Copy, Debug)]
pub struct Chat;

impl ServiceDefinition for Chat {
    const NAME: &'static str = "chat";
    const DEFAULTS_TOML: &'static str = include_str!("../settings.default.toml");
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        openapi::document()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        AppState::new(&settings, stack)
    }

    fn configure(config: &mut ServiceConfig, state: AppState) {
        // Every actix worker configures itself; the bridge to the other processes starts once.
        socket::start_bridge(&state);
        routes::configure(config, state);
    }

    fn consumers(state: &AppState, consumers: Consumers) -> Consumers {
        consumers::register(state, consumers)
    }

    fn worker(state: &AppState, worker: Worker) -> Worker {
        jobs::register(state, worker)
    }
}

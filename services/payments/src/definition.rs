use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_config::Alias;
use service_events::{Consumers, Worker};
use service_http::{ServiceDefinition, Stack};

use crate::{AppState, SERVICE, Settings, consumers, demo, jobs, openapi, routes};

/// The tables of payments.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/payments");

/// The payments service.
#[derive(Clone, Copy, Debug)]
pub struct Payments;

impl ServiceDefinition for Payments {
    const NAME: &'static str = SERVICE;
    const DEFAULTS_TOML: &'static str = include_str!("../settings.default.toml");
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
    const APPEND_ONLY: &'static [&'static str] = &[
        "ledger_accounts",
        "ledger_transfers",
        "ledger_entries",
        "payment_logs",
    ];
    // The names of CrazyMiner's settings (Y04).
    const ALIASES: &'static [Alias] = &[
        Alias::new("PAYMENT_GATEWAY_URL", "gateway.base_url"),
        Alias::new("PAYMENT_API_KEY", "gateway.api_key"),
        Alias::new("PAYMENT_REDIRECT_URL", "gateway.redirect_url"),
    ];
    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        openapi::document()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        AppState::new(settings, stack)
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
        demo::seed(state, name).await
    }
}

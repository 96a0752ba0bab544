#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alert;
pub mod api_key;
mod call;
pub mod client;
pub mod code;
pub mod console;
mod consumers;
pub mod invitation;
mod jobs;
pub mod key;
pub mod login;
pub mod member;
pub mod notification;
pub mod openapi;
pub mod organization;
mod own_codes;
pub mod password;
pub mod phone_change;
pub mod recovery;
mod routes;
pub mod schema;
pub mod second_factor;
pub mod session;
pub mod settings;
pub mod setup;
pub mod shield;
pub mod state;
pub mod step_up;
mod unexpected;
pub mod user;
pub mod v1;
pub mod validate;
pub mod workspace;

use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use service_auth::RevocationSource;
use service_config::Alias;
use service_events::{Consumers, Worker};
use service_http::{Check, ServiceDefinition, Stack};

pub use settings::Settings;
pub use state::AppState;

/// The service's name, in events and sealed values.
pub const SERVICE: &str = "auth-otp";
/// The service's own migrations.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/auth-otp");

/// What the job `expired-codes-and-sessions` does each time: removes codes, counters, sessions, switches and blocks that
/// nothing needs any more; how many codes went.
///
/// # Errors
/// Database failures.
pub async fn sweep(
    conn: &mut diesel_async::AsyncPgConnection,
    state: &AppState,
) -> diesel::QueryResult<i64> {
    let now = state.now();
    let codes = code::sweep(conn, now, state.settings.budgets.failure_ceiling).await?;
    let sessions = session::sweep(conn, now).await?;
    let shield = shield::sweep(conn, now).await?;
    let challenges = second_factor::store::sweep(conn, now).await?;
    let alerts = alert::sweep(conn, now).await?;
    let wishes = phone_change::store::sweep(conn, now).await?;
    let recoveries = recovery::store::sweep(conn, now).await?;
    let invitations = invitation::sweep(conn, now).await?;
    let notifications = notification::sweep(conn, now).await?;
    tracing::info!(
        codes,
        sessions,
        shield,
        challenges,
        alerts,
        wishes,
        recoveries,
        invitations,
        notifications,
        "swept"
    );
    Ok(codes)
}

/// The identity service.
#[derive(Debug, Clone, Copy)]
pub struct AuthOtp;

impl ServiceDefinition for AuthOtp {
    const NAME: &'static str = SERVICE;
    const DEFAULTS_TOML: &'static str = settings::DEFAULTS;
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
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
        state.start_once();
        routes::configure(config, state);
    }

    fn consumers(state: &AppState, consumers: Consumers) -> Consumers {
        consumers::register(state, consumers)
    }

    fn worker(state: &AppState, worker: Worker) -> Worker {
        jobs::register(state, worker)
    }

    fn checks(state: &AppState) -> Vec<Check> {
        vec![state.keys.check()]
    }

    fn revocation_sources(state: &AppState) -> Option<Vec<RevocationSource>> {
        Some(vec![session::revocation::own_source(
            state.stack.db.clone(),
            state.stack.clock.clone(),
        )])
    }

    async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
        setup::seed(state, name).await
    }

    async fn command(state: &AppState, arguments: &[String]) -> anyhow::Result<()> {
        setup::command(state, arguments).await
    }
}

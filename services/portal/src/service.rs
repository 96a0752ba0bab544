//! Portal as a service of the platform: how it is built and what it runs.

use std::sync::Arc;

use actix_web::web::ServiceConfig;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use file_store::FileStore;
use service_auth::{Hasher, RevocationSource, Sealer};
use service_config::Alias;
use service_events::{Consumers, Worker};
use service_http::{Check, ServiceDefinition, Stack};

use crate::{
    consumers, jobs, routes, seed, session,
    settings::{self, Settings},
    state::AppState,
};

/// Portal's own migrations.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/portal");

/// The service.
#[derive(Debug, Clone, Copy)]
pub struct Portal;

impl ServiceDefinition for Portal {
    const NAME: &'static str = "portal";
    const DEFAULTS_TOML: &'static str = settings::DEFAULTS;
    const MIGRATIONS: EmbeddedMigrations = MIGRATIONS;
    const ALIASES: &'static [Alias] = settings::ALIASES;

    type Settings = Settings;
    type State = AppState;

    fn openapi() -> utoipa::openapi::OpenApi {
        routes::openapi()
    }

    async fn build(settings: Settings, stack: Stack) -> anyhow::Result<AppState> {
        let sealer = Sealer::from_settings(&settings.sealing)?;
        let keys = session::KeyRing::new(
            stack.db.clone(),
            sealer.clone(),
            stack.clock.clone(),
            stack.verifier.clone(),
        );
        if let Err(error) = keys.get().await {
            tracing::warn!(
                error = format!("{error:#}"),
                "signing keys are not loaded yet"
            );
        }
        Ok(AppState {
            files: FileStore::new(&settings.files, &settings.sealing)?,
            integrations: stack.internal(&stack.peers.integrations),
            identity_revocations: stack
                .internal(&settings.auth.revocations_url)
                .with_timeout(std::time::Duration::from_secs(2)),
            hasher: Hasher::default(),
            outbox: stack.outbox.clone(),
            verifier: stack.verifier.clone(),
            clock: stack.clock.clone(),
            db: stack.db,
            settings: Arc::new(settings),
            sealer,
            keys,
        })
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
        let keys = state.keys.clone();
        vec![Check::new("signing keys", move || {
            let keys = keys.clone();
            async move {
                keys.get()
                    .await
                    .map(drop)
                    .map_err(|error| format!("{error:#}"))
            }
        })]
    }

    fn revocation_sources(state: &AppState) -> Option<Vec<RevocationSource>> {
        Some(vec![
            session::identity_source(state),
            session::own_source(state),
        ])
    }

    async fn seed(state: &AppState, name: &str) -> anyhow::Result<()> {
        seed::run(state, name).await
    }
}

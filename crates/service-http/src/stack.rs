//! What every service stands on, built once and cloned cheaply.

use std::{fmt, sync::Arc};

use actix_web::{HttpRequest, web};
use common_types::{
    clock::{SharedClock, SystemClock},
    events::{Event, auth::SessionRevoked},
    internal::auth::Revocation,
};
use deadpool_redis::{Pool, Runtime, redis::cmd};
use service_auth::{
    ApiKeys, BackgroundTask, InternalClient, RevocationSource, ServiceTokens, Verifier,
};
use service_config::{
    AmqpSettings, AuthSettings, DatabaseSettings, Environment, PeerSettings, RedisSettings, Secret,
    ServerSettings, TelemetrySettings,
};
use service_db::Db;
use service_events::{Broadcast, Broker, Outbox};
use tokio::task::JoinHandle;
use url::Url;

use crate::{error::ApiError, health::Check, limits::RateLimiter};

/// The shared sections of a service's settings, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// Kind of installation.
    pub environment: Environment,
    /// Addresses and shutdown.
    pub server: &'a ServerSettings,
    /// The service's database.
    pub database: &'a DatabaseSettings,
    /// Redis.
    pub redis: &'a RedisSettings,
    /// RabbitMQ.
    pub amqp: &'a AmqpSettings,
    /// Logs, traces, metrics.
    pub telemetry: &'a TelemetrySettings,
    /// Issuers, keys, this service's own client.
    pub auth: &'a AuthSettings,
    /// Where the other services are.
    pub peers: &'a PeerSettings,
}

/// Settings that have the shared sections under their usual names; see [`common_sections!`](crate::common_sections).
pub trait ServiceSettings:
    serde::de::DeserializeOwned + service_config::Validate + fmt::Debug + Clone + Send + Sync + 'static
{
    /// The shared sections.
    fn common(&self) -> Common<'_>;
}

/// Implements [`ServiceSettings`] for a settings type with the fields `environment`, `server`,
/// `database`, `redis`, `amqp`, `telemetry`, `auth` and `peers`.
#[macro_export]
macro_rules! common_sections {
    ($settings:ty) => {
        impl $crate::ServiceSettings for $settings {
            fn common(&self) -> $crate::Common<'_> {
                $crate::Common {
                    environment: self.environment,
                    server: &self.server,
                    database: &self.database,
                    redis: &self.redis,
                    amqp: &self.amqp,
                    telemetry: &self.telemetry,
                    auth: &self.auth,
                    peers: &self.peers,
                }
            }
        }
    };
}

/// Database, Redis, broker, clock, verifier and clients of one process.
#[derive(Clone)]
pub struct Stack {
    /// The service's name, such as `patient-access`.
    pub service: &'static str,
    /// Kind of installation.
    pub environment: Environment,
    /// The time; tests move it.
    pub clock: SharedClock,
    /// The service's database.
    pub db: Db,
    /// Redis connections.
    pub redis: Pool,
    /// Prefix of every Redis key and channel, with its final colon.
    pub redis_prefix: String,
    /// RabbitMQ.
    pub broker: Broker,
    /// Wakes the relay after a commit that emitted events.
    pub outbox: Outbox,
    /// Checks every token.
    pub verifier: Verifier,
    /// This service's own tokens for calling others.
    pub tokens: ServiceTokens,
    /// Checks partners' keys.
    pub api_keys: ApiKeys,
    /// Counts requests.
    pub limiter: RateLimiter,
    /// Where the other services are.
    pub peers: PeerSettings,
    /// Key of the gateway's word for the client's address.
    pub client_ip_key: Secret,
    /// Our own web origins; the first is the public address.
    pub origins: Arc<Vec<Url>>,
}

impl fmt::Debug for Stack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stack")
            .field("service", &self.service)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// Builds every part by the system's clock. Nothing is connected before its first use, so a
    /// service starts (live, not ready) while what it needs is away.
    ///
    /// # Errors
    /// When a part of the settings cannot be used.
    pub async fn connect(service: &'static str, common: Common<'_>) -> anyhow::Result<Self> {
        Self::connect_with_clock(service, common, Arc::new(SystemClock)).await
    }

    /// [`Stack::connect`] with another clock, for tests.
    ///
    /// # Errors
    /// As [`Stack::connect`].
    pub async fn connect_with_clock(
        service: &'static str,
        common: Common<'_>,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let db = Db::connect(common.database).await?;
        let redis = deadpool_redis::Config::from_url(common.redis.url.expose())
            .create_pool(Some(Runtime::Tokio1))?;
        let redis_prefix = format!("{}:", common.redis.prefix);
        let tokens = ServiceTokens::new(common.auth, clock.clone());
        let mut origins = Vec::new();
        if !common.server.public_url.is_empty() {
            origins.push(Url::parse(&common.server.public_url)?);
        }
        Ok(Self {
            service,
            environment: common.environment,
            outbox: Outbox::new(db.clone()),
            db,
            limiter: RateLimiter::new(Some(redis.clone()), redis_prefix.clone()),
            redis,
            redis_prefix,
            broker: Broker::new(common.amqp)?,
            verifier: Verifier::new(common.auth, clock.clone())?,
            api_keys: ApiKeys::new(InternalClient::new(&common.peers.auth_otp, tokens.clone())),
            tokens,
            clock,
            peers: common.peers.clone(),
            client_ip_key: common.auth.client_ip_key.clone(),
            origins: Arc::new(origins),
        })
    }

    /// The stack of the running service, from a request.
    ///
    /// # Errors
    /// 500 when the server was built without one.
    pub fn of(request: &HttpRequest) -> Result<&Self, ApiError> {
        request
            .app_data::<web::Data<Self>>()
            .map(|stack| stack.get_ref())
            .ok_or_else(|| ApiError::internal(anyhow::anyhow!("no Stack in the app's data")))
    }

    /// A client for another service's `/internal/**` routes.
    pub fn internal(&self, base: &str) -> InternalClient {
        InternalClient::new(base, self.tokens.clone())
    }

    /// True on a developer's machine.
    pub fn environment_is_development(&self) -> bool {
        self.environment == Environment::Development
    }

    /// For routes where a revoked session would do harm.
    ///
    /// # Errors
    /// 503 while the state of revocations is unknown for more than 30 seconds.
    pub fn require_fresh_revocations(&self) -> Result<(), ApiError> {
        self.verifier
            .require_fresh()
            .map_err(crate::extract::caller_refusal)
    }

    /// Fetches keys, polls revocations and hears them broadcast until the guard is dropped.
    /// `sources` replaces the owners' HTTP routes (the owner of revocations asks its own table).
    pub fn start(&self, sources: Option<Vec<RevocationSource>>) -> Background {
        let verifier = match sources {
            Some(sources) => self.verifier.start_with(sources),
            None => self.verifier.start(&self.tokens),
        };
        Background {
            _verifier: verifier,
            listener: tokio::spawn(hear_revocations(self.clone())),
        }
    }

    /// What must work before requests are taken: database, redis, keys.
    pub fn checks(&self) -> Vec<Check> {
        let (db, redis, verifier) = (self.db.clone(), self.redis.clone(), self.verifier.clone());
        vec![
            Check::new("database", move || {
                let db = db.clone();
                async move { db.ping().await.map_err(|error| error.to_string()) }
            }),
            Check::new("redis", move || {
                let redis = redis.clone();
                async move { ping_redis(&redis).await.map_err(|error| error.to_string()) }
            }),
            Check::new("keys", move || {
                let verifier = verifier.clone();
                async move {
                    // Unknown revocations close sensitive routes; all others go on, so the process stays ready.
                    if verifier.has_keys() {
                        Ok(())
                    } else {
                        Err("no signing keys fetched yet".to_owned())
                    }
                }
            }),
        ]
    }

    /// What a worker needs: database and broker.
    pub fn worker_checks(&self) -> Vec<Check> {
        let broker = self.broker.clone();
        let mut checks: Vec<Check> = self.checks().into_iter().take(1).collect();
        checks.push(Check::new("broker", move || {
            let broker = broker.clone();
            async move { broker.ping().await.map_err(|error| error.to_string()) }
        }));
        checks
    }
}

async fn ping_redis(pool: &Pool) -> anyhow::Result<()> {
    let mut connection = pool.get().await?;
    cmd("PING").query_async::<()>(&mut connection).await?;
    Ok(())
}

/// Work behind a stack that ends when this is dropped.
#[derive(Debug)]
#[must_use = "the work stops when this is dropped"]
pub struct Background {
    _verifier: BackgroundTask,
    listener: JoinHandle<()>,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn hear_revocations(stack: Stack) {
    let mut heard = Broadcast::subscribe(stack.broker.clone(), &[SessionRevoked::NAME]);
    while let Some(envelope) = heard.recv().await {
        match envelope.open::<SessionRevoked>() {
            Ok(event) => stack.verifier.revocations().apply(&Revocation {
                kind: event.kind,
                id: event.id,
                not_before: event.not_before,
                expires_at: event.expires_at,
            }),
            Err(error) => tracing::warn!(%error, "a revocation could not be read"),
        }
    }
}

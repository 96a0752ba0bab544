use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use common_types::clock::MovableClock;
use reqwest::{Method, RequestBuilder};
use service_auth::{
    ApiKeys,
    testing::{ISSUER, PORTAL_ISSUER, TestIssuer},
};
use service_config::Sources;
use service_http::{
    ServiceApp, ServiceDefinition, ServiceSettings, Stack, cli,
    server::{self, Running},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Prefix, TestDb};

/// The key under which tests vouch for a client's address.
pub(crate) const CLIENT_IP_KEY: &str = "test-client-ip-key-of-32-characters";

/// Where nobody listens: a test must not reach a platform that happens to run on this machine.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Settings of a service under test, before it starts.
pub struct ServiceSetup {
    env: BTreeMap<String, String>,
    clock: MovableClock,
    database: Option<Arc<TestDb>>,
    prefix: Prefix,
    issuer: Option<TestIssuer>,
}

/// A whole service in this process: its real HTTP server on a free port, its own database, its own
/// part of the broker and of Redis, a clock that can be moved, and an issuer whose tokens it accepts.
///
/// The worker runs only after [`TestService::start_worker`].
pub struct TestService<S: ServiceDefinition> {
    /// `http://127.0.0.1:port`.
    pub base: String,
    /// Signs tokens that the service accepts.
    pub issuer: TestIssuer,
    /// The service's clock, now at first.
    pub clock: MovableClock,
    /// The service's database.
    pub database: Arc<TestDb>,
    /// Its part of the broker and of Redis.
    pub prefix: Prefix,
    /// What the service stands on.
    pub stack: Stack,
    /// The service's own state.
    pub state: S::State,
    http: reqwest::Client,
    running: Option<Running>,
    worker: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Default for ServiceSetup {
    fn default() -> Self {
        Self::new()
    }
}

impl ServiceSetup {
    /// The settings every service needs.
    pub fn new() -> Self {
        Self {
            env: BTreeMap::new(),
            clock: MovableClock::new(Utc::now()),
            database: None,
            prefix: Prefix::new(),
            issuer: None,
        }
    }

    /// Sets a key by its path: `.set("limits.per_hour", 3)`.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl ToString) -> Self {
        self.env
            .insert(path.to_uppercase().replace('.', "__"), value.to_string());
        self
    }

    /// Adds a sealing key, for services with a `sealing` section.
    #[must_use]
    pub fn sealing(self) -> Self {
        self.set("sealing.active_key_id", "k1")
            .set("sealing.keys.k1", STANDARD.encode([7_u8; 32]))
    }

    /// Shares another service's clock.
    #[must_use]
    pub fn clock(mut self, clock: MovableClock) -> Self {
        self.clock = clock;
        self
    }

    /// Shares another service's part of the broker and of Redis, so that events reach it.
    #[must_use]
    pub fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Accepts another service's issuer.
    #[must_use]
    pub fn issuer(mut self, issuer: TestIssuer) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// A second process on the database of a first one.
    #[must_use]
    pub fn database(mut self, database: Arc<TestDb>) -> Self {
        self.database = Some(database);
        self
    }

    fn sources(&self, service: &str, database: &TestDb) -> Sources {
        let settings = database.settings();
        let owner = settings
            .migration_url
            .as_ref()
            .map_or("", |url| url.expose())
            .to_owned();
        let prefix = format!("{}__", service.to_uppercase().replace('-', "_"));
        let common = [
            ("ENVIRONMENT", "test".to_owned()),
            ("SERVER__HOST", "127.0.0.1".to_owned()),
            ("SERVER__PUBLIC_URL", "http://tabib.test".to_owned()),
            ("DATABASE__URL", settings.url.expose().to_owned()),
            ("DATABASE__MIGRATION_URL", owner),
            ("DATABASE__MAX_CONNECTIONS", "12".to_owned()),
            ("REDIS__URL", crate::redis_url()),
            ("REDIS__PREFIX", self.prefix.as_str().to_owned()),
            ("AMQP__URL", crate::amqp_url()),
            ("AMQP__PREFIX", self.prefix.as_str().to_owned()),
            ("AUTH__ISSUER", ISSUER.to_owned()),
            ("AUTH__PORTAL_ISSUER", PORTAL_ISSUER.to_owned()),
            ("AUTH__CLIENT_ID", service.to_owned()),
            (
                "AUTH__CLIENT_SECRET",
                "test-client-secret-of-32-characters".to_owned(),
            ),
            ("AUTH__CLIENT_IP_KEY", CLIENT_IP_KEY.to_owned()),
        ];
        let addresses = [
            "AUTH__JWKS_URL",
            "AUTH__PORTAL_JWKS_URL",
            "AUTH__REVOCATIONS_URL",
            "AUTH__PORTAL_REVOCATIONS_URL",
            "AUTH__TOKEN_URL",
            "PEERS__AUTH_OTP",
            "PEERS__PATIENT_ACCESS",
            "PEERS__PAYMENTS",
            "PEERS__PORTAL",
            "PEERS__CONTENT",
            "PEERS__INTEGRATIONS",
            "PEERS__CHAT",
            "PEERS__GATEWAY",
            "PEERS__SIMULATORS",
        ];
        let common = common
            .into_iter()
            .chain(addresses.map(|name| (name, NOWHERE.to_owned())));
        let common = common
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let env: BTreeMap<String, String> = common
            .chain(self.env.clone())
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect();
        Sources::from_map(env)
    }

    /// Builds the service and starts its HTTP server.
    ///
    /// # Panics
    /// When it cannot start.
    pub async fn start<S: ServiceDefinition>(self) -> TestService<S> {
        let database = match &self.database {
            Some(database) => Arc::clone(database),
            None => Arc::new(TestDb::create_with(S::NAME, S::MIGRATIONS, S::APPEND_ONLY).await),
        };
        let settings = cli::load::<S>(self.sources(S::NAME, &database)).expect("settings");
        let clock = self.clock.shared();
        let issuer = self
            .issuer
            .unwrap_or_else(|| TestIssuer::with_clock(clock.clone()));
        let mut stack = Stack::connect_with_clock(S::NAME, settings.common(), clock)
            .await
            .expect("stack");
        issuer.install_in(&stack.verifier);
        stack.tokens = issuer.service_tokens(S::NAME);
        stack.api_keys = ApiKeys::new(stack.internal(&stack.peers.auth_otp));
        let shown = settings.clone();
        let state = S::build(settings, stack.clone()).await.expect("state");
        let running =
            server::spawn(ServiceApp::of::<S>(stack.clone(), state.clone()).showing(&shown))
                .expect("server");
        TestService {
            base: running.base_url(),
            issuer,
            clock: self.clock,
            database,
            prefix: self.prefix,
            stack,
            state,
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                // A server that refuses a request unread closes the connection; no other request
                // may be on it.
                .pool_max_idle_per_host(0)
                .build()
                .expect("http client"),
            running: Some(running),
            worker: None,
        }
    }
}

impl<S: ServiceDefinition> TestService<S> {
    /// Starts a service with the settings every service needs.
    pub async fn start() -> Self {
        ServiceSetup::new().start().await
    }

    /// Runs relay, consumers and jobs until the service is dropped.
    ///
    /// # Panics
    /// When the service consumes something else than the table of subscriptions says.
    pub fn start_worker(&mut self) {
        cli::check_subscriptions::<S>(&self.stack, &self.state).expect("subscriptions");
        let cancel = CancellationToken::new();
        let worker = cli::worker::<S>(&self.stack, &self.state);
        let running = tokio::spawn(worker.run(cancel.clone()));
        self.worker = Some((cancel, running));
    }

    /// A request to the service.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A GET.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Stops the HTTP server and the worker, gently.
    pub async fn stop(mut self) {
        if let Some((cancel, running)) = self.worker.take() {
            cancel.cancel();
            let _ = running.await;
        }
        if let Some(running) = self.running.take() {
            running.stop_now().await;
        }
    }
}

impl<S: ServiceDefinition> Drop for TestService<S> {
    fn drop(&mut self) {
        if let Some((cancel, _)) = self.worker.take() {
            cancel.cancel();
        }
        // The pool lets go of the database before it is dropped.
        self.stack.db.close();
    }
}

//! The HTTP server of a service: shared layers, health, metrics, the API document, gentle stop.

use std::{fmt, io, net::SocketAddr, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, Bytes, ServiceConfig},
};
use service_config::ServerSettings;
use service_telemetry::RequestTracing;
use tokio::task::JoinHandle;

use crate::{
    admin,
    definition::ServiceDefinition,
    health::{self, Check, Health},
    middleware::guard,
    stack::Stack,
};

/// Header lines must have come within this time (Q-G4).
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// A connection that is being closed lingers this long at most.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// An idle connection is kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long readiness says no before connections are closed, so that the gateway notices first.
const DRAIN: Duration = Duration::from_millis(300);

type Configure = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// Everything that answers HTTP in a service.
#[derive(Clone)]
pub struct ServiceApp {
    service: &'static str,
    stack: Option<Stack>,
    configure: Configure,
    openapi: Option<Bytes>,
    settings: Arc<str>,
    health: Health,
}

impl fmt::Debug for ServiceApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServiceApp")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl ServiceApp {
    /// The app of a service with its state built.
    pub fn of<S: ServiceDefinition>(stack: Stack, state: S::State) -> Self {
        let mut checks = stack.checks();
        checks.extend(S::checks(&state));
        let document = serde_json::to_vec(&S::openapi()).ok().map(Bytes::from);
        let mut app = Self::new(stack, checks, move |config| {
            S::configure(config, state.clone())
        });
        app.openapi = document;
        app
    }

    /// An app of any routes over a stack.
    pub fn new(
        stack: Stack,
        checks: Vec<Check>,
        configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        Self {
            service: stack.service,
            health: Health::new(stack.service, checks),
            stack: Some(stack),
            configure: Arc::new(configure),
            openapi: None,
            settings: "".into(),
        }
    }

    /// Shows these settings in the staff console; secrets must be masked in them.
    #[must_use]
    pub fn showing(mut self, settings: &impl fmt::Debug) -> Self {
        self.settings = format!("{settings:#?}").into();
        self
    }

    /// Health and metrics alone: what a worker serves.
    pub fn health_only(service: &'static str, checks: Vec<Check>) -> Self {
        Self {
            service,
            stack: None,
            configure: Arc::new(|_| {}),
            openapi: None,
            settings: "".into(),
            health: Health::new(service, checks),
        }
    }

    /// Starts to listen on `host:port` (port 0: any free one) and answers at once.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn start(
        self,
        host: &str,
        port: u16,
        workers: usize,
        shutdown_seconds: u64,
    ) -> io::Result<Running> {
        let listener = TcpListener::bind((host, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let health = self.health.clone();
        let server = HttpServer::new(move || {
            let app = self.clone();
            App::new()
                .configure(move |config| app.register(config))
                .wrap(from_fn(guard))
                .wrap(RequestTracing::new(self.service))
        })
        .workers(if workers == 0 {
            available_cores()
        } else {
            workers
        })
        .client_request_timeout(HEADERS_WITHIN)
        .client_disconnect_timeout(CLOSE_WITHIN)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(shutdown_seconds)
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        let task = tokio::spawn(server);
        Ok(Running {
            address,
            handle,
            task,
            health,
        })
    }

    fn register(&self, config: &mut ServiceConfig) {
        if let Some(stack) = &self.stack {
            config.app_data(web::Data::new(stack.clone()));
            admin::configure(config, stack.service, self.settings.clone());
        }
        config
            .app_data(web::Data::new(self.health.clone()))
            .service(web::resource("/health/live").get(health::live))
            .service(web::resource("/health/ready").get(health::ready))
            .service(web::resource("/metrics").get(metrics));
        if let Some(document) = self.openapi.clone() {
            config.service(web::resource("/openapi.json").get(move || {
                let document = document.clone();
                async move {
                    HttpResponse::Ok()
                        .content_type("application/json")
                        .body(document)
                }
            }));
        }
        (self.configure)(config);
    }
}

async fn metrics() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(service_telemetry::metrics_text())
}

fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// A server that is listening.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    health: Health,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops at once.
    pub async fn stop_now(self) {
        self.handle.stop(false).await;
        let _ = self.task.await;
    }

    /// Says "not ready", waits a moment, then lets running requests finish.
    pub async fn drain(self) {
        self.health.drain();
        tokio::time::sleep(DRAIN).await;
        self.handle.stop(true).await;
        let _ = self.task.await;
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    /// When the server ends by itself.
    pub async fn until_signal(mut self) -> io::Result<()> {
        tokio::select! {
            ended = &mut self.task => ended.unwrap_or_else(|panic| Err(io::Error::other(panic))),
            () = shutdown_signal() => {
                tracing::info!("stopping: running requests may finish");
                self.drain().await;
                Ok(())
            }
        }
    }
}

/// Serves `app` as the settings say until SIGTERM or SIGINT.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(app: ServiceApp, settings: &ServerSettings) -> io::Result<()> {
    let service = app.service;
    let running = app.start(
        &settings.host,
        settings.port,
        settings.workers,
        settings.shutdown_timeout_seconds,
    )?;
    tracing::info!(service, address = %running.address(), "listening");
    running.until_signal().await
}

/// Starts `app` on a free local port; for tests.
///
/// # Errors
/// When no port is free.
pub fn spawn(app: ServiceApp) -> io::Result<Running> {
    app.start("127.0.0.1", 0, 2, 5)
}

/// Resolves at the first SIGTERM or SIGINT.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        }
        _ => std::future::pending().await,
    }
}

//! Start, reload and stop.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse, fn_service};
use actix_web::{App, HttpServer, rt};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use common_types::clock::SharedClock;
use common_types::events::{Event, auth::SessionRevoked};
use common_types::internal::auth::Revocation;
use service_auth::{BackgroundTask, ServiceTokens, Verifier};
use service_events::{Broadcast, Broker};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::door::context::Voucher;
use crate::door::cors::Cors;
use crate::door::meter::Meter;
use crate::handler::{Shared, Worker, handle};
use crate::health::Platform;
use crate::limits::Limits;
use crate::pages::documents::Documents;
use crate::pages::files::Site;
use crate::routes::RouteTable;
use crate::settings::Settings;
use crate::tls;
use crate::upstream::Upstreams;
use crate::upstream::pool::{Pool, PoolRules};
use crate::upstream::probe;

/// How long readiness says no before connections are closed, so that balancers notice first.
const DRAIN: Duration = Duration::from_millis(300);

/// Where revocations and keys come from.
pub enum Trust {
    /// From auth-otp and portal, as the settings say.
    Platform,
    /// The caller installed keys in the verifier (tests, benchmarks).
    Given,
}

/// A gateway that answers.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its workers share.
    pub shared: Arc<Shared>,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
    background: Vec<JoinHandle<()>>,
    _verifier: Option<BackgroundTask>,
    stop_probes: CancellationToken,
}

/// Builds what the workers share.
///
/// # Errors
/// When the route table or the settings cannot be used.
pub fn build(settings: Settings, verifier: Verifier) -> anyhow::Result<Arc<Shared>> {
    let table = RouteTable::parse(&settings.route_table()?, settings.is_development())?;
    let upstreams = Arc::new(Upstreams::new(&settings));
    let limits = if settings.limits.enabled {
        let redis = deadpool_redis::Config::from_url(settings.redis.url.expose())
            .create_pool(Some(deadpool_redis::Runtime::Tokio1))?;
        let factor = if settings.environment == service_config::Environment::Development {
            settings.limits.development_factor
        } else {
            1
        };
        let key = Sha256::digest(settings.auth.client_ip_key.expose().as_bytes()).into();
        let prefix = format!("{}:", settings.redis.prefix.trim_end_matches(':'));
        Limits::new(
            Some(redis),
            &prefix,
            factor,
            settings.limits.lease_divisor,
            key,
        )
    } else {
        Limits::off()
    };
    Ok(Arc::new(Shared {
        table: ArcSwap::from_pointee(table),
        upstreams,
        verifier,
        limits,
        cors: Cors::new(settings.origins()),
        trusted: settings.trusted_proxies(),
        hosts: settings.allowed_hosts(),
        site: Site::new(settings.web.directory.clone()),
        documents: Documents::new()?,
        platform: Platform::new()?,
        draining: AtomicBool::new(false),
        stopping: CancellationToken::new(),
        records_traces: settings
            .telemetry
            .otlp_endpoint
            .as_deref()
            .is_some_and(|endpoint| !endpoint.is_empty()),
        settings,
    }))
}

/// Starts a gateway. Port 0 takes any free one.
///
/// # Errors
/// When the settings cannot be used or the address cannot be bound.
pub async fn start(
    settings: Settings,
    verifier: Verifier,
    trust: Trust,
    clock: SharedClock,
) -> anyhow::Result<Running> {
    let shared = build(settings, verifier)?;
    let settings = &shared.settings;
    let address = (settings.server.host.as_str(), settings.server.port);
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "cannot listen on {}:{}",
            settings.server.host, settings.server.port
        )
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let mut background = Vec::new();
    let background_verifier = match trust {
        Trust::Given => None,
        Trust::Platform => {
            let tokens = ServiceTokens::new(&settings.auth, clock.clone());
            if let Some(amqp) = &settings.amqp {
                background.push(tokio::spawn(hear_revocations(
                    Broker::new(amqp)?,
                    shared.verifier.clone(),
                )));
            }
            Some(shared.verifier.start(&tokens))
        }
    };
    let stop_probes = CancellationToken::new();
    background.push(tokio::spawn(probe::run(
        Arc::clone(&shared.upstreams),
        Duration::from_millis(settings.upstream.probe_interval_ms),
        stop_probes.clone(),
    )));
    background.push(tokio::spawn(reload_on_hangup(Arc::clone(&shared))?));
    let server = serve(&shared, listener, clock)?;
    let handle = server.handle();
    let task = tokio::spawn(server);
    tracing::info!(%address, routes = shared.table.load().routes().len(), "the gateway answers");
    Ok(Running {
        address,
        shared,
        handle,
        task,
        background,
        _verifier: background_verifier,
        stop_probes,
    })
}

fn serve(
    shared: &Arc<Shared>,
    listener: TcpListener,
    clock: SharedClock,
) -> anyhow::Result<actix_web::dev::Server> {
    let settings = &shared.settings;
    let clients = settings.clients.clone();
    let workers = if settings.server.workers == 0 {
        std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
    } else {
        settings.server.workers
    };
    let for_workers = Arc::clone(shared);
    let server = HttpServer::new(move || {
        let worker = Rc::new(worker(&for_workers, &clock));
        keep_pool_fresh(&worker);
        App::new().default_service(fn_service(move |request: ServiceRequest| {
            let worker = Rc::clone(&worker);
            async move {
                let (request, payload) = request.into_parts();
                let answer = handle(&worker, &request, payload).await;
                Ok::<_, actix_web::Error>(ServiceResponse::new(request, answer))
            }
        }))
    })
    .workers(workers)
    .max_connections(clients.max_connections)
    .keep_alive(Duration::from_secs(clients.keep_alive_seconds))
    .client_request_timeout(Duration::from_millis(clients.header_timeout_ms))
    .client_disconnect_timeout(Duration::from_secs(2))
    .shutdown_timeout(settings.server.shutdown_timeout_seconds)
    .tcp_nodelay(true)
    .backlog(4096)
    .disable_signals()
    .on_connect(move |connection, _| {
        limit_stalls(connection, Duration::from_millis(clients.write_stall_ms))
    });
    let server = if settings.tls.certificate_file.is_empty() {
        server.listen(listener)?
    } else {
        let config = tls::config(&settings.tls)?;
        server.listen_rustls_0_23(listener, config)?
    };
    Ok(server.run())
}

fn worker(shared: &Arc<Shared>, clock: &SharedClock) -> Worker {
    let upstream = &shared.settings.upstream;
    let rules = PoolRules {
        connect_timeout: Duration::from_millis(upstream.connect_timeout_ms),
        idle: Duration::from_millis(upstream.idle_ms),
        max_idle: upstream.max_idle,
    };
    Worker {
        shared: Arc::clone(shared),
        pool: Pool::new(rules, shared.upstreams.instances()),
        voucher: Voucher::new(shared.settings.auth.client_ip_key.expose(), clock.clone()),
        meter: Meter::default(),
    }
}

/// Drops idle connections that grew old, as long as the worker lives.
fn keep_pool_fresh(worker: &Rc<Worker>) {
    let pool = Rc::downgrade(&worker.pool);
    rt::spawn(async move {
        loop {
            rt::time::sleep(Duration::from_secs(5)).await;
            let Some(pool) = pool.upgrade() else { return };
            pool.sweep();
        }
    });
}

/// The kernel ends a connection whose peer acknowledges nothing, or reads nothing, for this long (Q-G4): the framework
/// has no deadline for writes.
fn limit_stalls(connection: &dyn std::any::Any, stall: Duration) {
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        let _ = socket.set_tcp_user_timeout(Some(stall));
        let _ = socket.set_keepalive(true);
    }
}

/// Reads the route table again on SIGHUP; a wrong one is refused and the old one stays.
fn reload_on_hangup(shared: Arc<Shared>) -> anyhow::Result<impl Future<Output = ()>> {
    let mut hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            match reload(&shared) {
                Ok(routes) => tracing::info!(routes, "the route table was read again"),
                Err(error) => {
                    tracing::error!(%error, "the new route table is refused; the old one stays")
                }
            }
        }
    })
}

/// Reads the route table again and puts it in force for the next request.
///
/// # Errors
/// When it cannot be read or is wrong; the old one stays.
pub fn reload(shared: &Shared) -> anyhow::Result<usize> {
    let table = RouteTable::parse(
        &shared.settings.route_table()?,
        shared.settings.is_development(),
    )?;
    let routes = table.routes().len();
    shared.table.store(Arc::new(table));
    Ok(routes)
}

async fn hear_revocations(broker: Broker, verifier: Verifier) {
    let mut heard = Broadcast::subscribe(broker, &[SessionRevoked::NAME]);
    while let Some(envelope) = heard.recv().await {
        match envelope.open::<SessionRevoked>() {
            Ok(event) => verifier.revocations().apply(&Revocation {
                kind: event.kind,
                id: event.id,
                not_before: event.not_before,
                expires_at: event.expires_at,
            }),
            Err(error) => tracing::warn!(%error, "a revocation could not be read"),
        }
    }
}

impl Running {
    /// Lets running calls finish, closes WebSockets with "service restart", then ends.
    pub async fn stop(self) {
        self.shared.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(DRAIN).await;
        self.shared.stopping.cancel();
        self.handle.stop(true).await;
        self.end().await;
    }

    /// Ends at once.
    pub async fn kill(self) {
        self.handle.stop(false).await;
        self.end().await;
    }

    async fn end(self) {
        self.stop_probes.cancel();
        for task in &self.background {
            task.abort();
        }
        let _ = self.task.await;
    }
}

/// Ends when SIGTERM or SIGINT comes. Made before the port is bound, so that no signal is missed.
///
/// # Errors
/// When signals cannot be received.
pub fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

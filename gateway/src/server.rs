//! Start, reload and stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_server::ServerHandle;
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

use crate::door::cors::Cors;
use crate::handler::Shared;
use crate::health::Platform;
use crate::limits::Limits;
use crate::pages::documents::Documents;
use crate::pages::files::Site;
use crate::routes::RouteTable;
use crate::serve::serve;
use crate::settings::Settings;
use crate::tls::Certificates;
use crate::upstream::Upstreams;
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
        certificates: if settings.tls.certificate_file.is_empty() {
            None
        } else {
            Some(Certificates::read(&settings.tls)?)
        },
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
    if let Some(certificates) = &shared.certificates {
        let every = Duration::from_secs(settings.tls.watch_seconds);
        let watched = Arc::downgrade(certificates);
        background.push(tokio::spawn(Certificates::watch(watched, every)));
    }
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

/// Reads the route table and the certificate again on SIGHUP; what is wrong is refused and the old one stays.
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
            if let Some(certificates) = &shared.certificates {
                certificates.reload_and_tell();
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

/// Lets this process open as many files as it may: the usual soft limit of 1,024 is less than one clinic's browsers.
pub fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Keeps the kernel from backing buffers with huge pages: those of an idle connection are mostly untouched, and whole
/// pages of two megabytes would be resident for them (20 KiB per connection instead of 12).
pub fn refuse_huge_pages() {
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        tracing::warn!(%error, "huge pages stay as they are");
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

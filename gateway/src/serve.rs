//! The HTTP server of the door: sockets, their rules, one worker per thread.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_codec::Framed;
use actix_http::error::DispatchError;
use actix_http::h1::Codec;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_server::Server;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::BoxBody;
use actix_web::rt::{self, net::TcpStream};
use common_types::clock::SharedClock;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::door::closing::Closing;
use crate::door::context::Voucher;
use crate::door::meter::Meter;
use crate::handler::{Shared, Worker, handle};
use crate::upstream::pool::{Pool, PoolRules};
use crate::websocket;
use crate::wire::Guarded;
use crate::wire::flow::{ClientBody, Flow};

/// Bytes of WebSockets that a worker passes on at once.
const SPACE: usize = 16 * 1024;

/// Serves on this listener until stopped.
///
/// # Errors
/// When the certificate cannot be used or the listener fails.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    listener: TcpListener,
    clock: SharedClock,
) -> anyhow::Result<Server> {
    let settings = &shared.settings;
    let workers = if settings.server.workers == 0 {
        std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
    } else {
        settings.server.workers
    };
    let server = Server::build()
        .workers(workers)
        .max_concurrent_connections(settings.clients.max_connections)
        .shutdown_timeout(settings.server.shutdown_timeout_seconds)
        .disable_signals();
    let rules = ConnectionRules {
        head_timeout: Duration::from_millis(settings.clients.header_timeout_ms),
        write_stall: Duration::from_millis(settings.clients.write_stall_ms),
    };
    let for_workers = Arc::clone(shared);
    let server = if let Some(certificates) = &shared.certificates {
        let config = certificates.config()?;
        server.listen("gateway", listener, move || {
            let acceptor = Acceptor::new(config.clone());
            acceptor
                .map_init_err(drop)
                .map_err(drop)
                .and_then(fn_service(move |stream: TlsStream<TcpStream>| {
                    let (tcp, session) = stream.get_ref();
                    let peer = rules.prepare(tcp);
                    let opened = if session.alpn_protocol() == Some(b"h2") {
                        let stream = Guarded::http2(stream, rules.head_timeout);
                        (stream, Protocol::Http2, peer)
                    } else {
                        let stream = Guarded::http1(stream, rules.head_timeout);
                        (stream, Protocol::Http1, peer)
                    };
                    std::future::ready(Ok(opened))
                }))
                .and_then(http(&for_workers, &clock).map_err(drop))
        })?
    } else {
        server.listen("gateway", listener, move || {
            fn_service(move |stream: TcpStream| {
                let peer = rules.prepare(&stream);
                let stream = Guarded::http1(stream, rules.head_timeout);
                std::future::ready(Ok::<_, DispatchError>((stream, Protocol::Http1, peer)))
            })
            .and_then(http(&for_workers, &clock))
            .map_err(drop)
        })?
    };
    Ok(server.run())
}

/// What holds for every connection.
#[derive(Debug, Clone, Copy)]
struct ConnectionRules {
    head_timeout: Duration,
    write_stall: Duration,
}

impl ConnectionRules {
    /// The kernel ends a connection whose peer acknowledges nothing, or reads nothing, for this long (Q-G4): the
    /// framework has no deadline for writes.
    fn prepare(self, stream: &TcpStream) -> Option<SocketAddr> {
        let _ = stream.set_nodelay(true);
        let socket = socket2::SockRef::from(stream);
        let _ = socket.set_tcp_user_timeout(Some(self.write_stall));
        let _ = socket.set_keepalive(true);
        stream.peer_addr().ok()
    }
}

/// The HTTP server of one worker. The framework's router is left away: the route table is ours, and its layers cost
/// more than half a microsecond per request.
fn http<T>(
    shared: &Arc<Shared>,
    clock: &SharedClock,
) -> impl ServiceFactory<
    (Guarded<T>, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<T>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let clients = &shared.settings.clients;
    let worker = Rc::new(worker(shared, clock));
    keep_pool_fresh(&worker);
    let closing = Rc::new(Closing::default());
    say_when_stopping(shared, &closing);
    let for_sockets = Rc::clone(&worker);
    HttpService::build()
        .graceful_shutdown_signal(move || closing.heard())
        .keep_alive(Duration::from_secs(clients.keep_alive_seconds))
        .client_request_timeout(Duration::from_millis(clients.header_timeout_ms))
        .client_disconnect_timeout(Duration::from_secs(2))
        .on_connect_ext(|connection: &Guarded<T>, extensions| {
            if let Some(flow) = connection.flow() {
                extensions.insert(flow);
            }
        })
        .upgrade(fn_service(
            move |(request, framed): (Request, Framed<Guarded<T>, Codec>)| {
                Box::pin(websocket::serve(Rc::clone(&for_sockets), request, framed))
            },
        ))
        .finish(fn_service(move |mut request: Request| {
            let worker = Rc::clone(&worker);
            Box::pin(async move {
                let body = ClientBody::new(
                    request.take_payload(),
                    request.conn_data::<Rc<Flow>>().cloned(),
                );
                let answer = handle(&worker, &request, body).await;
                Ok::<Response<BoxBody>, Infallible>(answer.into())
            })
        }))
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
        space: RefCell::new(vec![0; SPACE].into()),
    }
}

/// Passes the process's end on to this worker's connections.
fn say_when_stopping(shared: &Shared, closing: &Rc<Closing>) {
    let stopping = shared.stopping.clone();
    let closing = Rc::clone(closing);
    rt::spawn(async move {
        stopping.cancelled().await;
        closing.say();
    });
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

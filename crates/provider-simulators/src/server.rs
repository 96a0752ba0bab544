//! Shared state, the route map, and the server itself.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use anyhow::Context;
use serde_json::json;

use crate::{bitpay, inbox, kavenegar, pages::Pages, sandbox, settings::Options};

/// Everything the handlers need; tests reach into it to look at what arrived.
pub struct Simulators {
    /// Options as given.
    pub options: Options,
    /// The development inbox.
    pub inbox: inbox::Inbox,
    /// The sandbox payment provider.
    pub sandbox: Arc<sandbox::Sandbox>,
    /// The Kavenegar account.
    pub kavenegar: kavenegar::Kavenegar,
    /// The BitPay/Medogram gateway.
    pub bitpay: bitpay::BitPay,
    pub(crate) pages: Pages,
    public_url: String,
}

impl Simulators {
    /// Where a payer decides about a sandbox payment.
    pub(crate) fn hosted_url(&self, id: &str) -> String {
        format!("{}/dev/sandbox/pay/{id}", self.public_url)
    }
}

/// The whole HTTP map.
pub fn routes(config: &mut web::ServiceConfig) {
    inbox::http::routes(config);
    sandbox::api::routes(config);
    sandbox::hosted::routes(config);
    kavenegar::http::routes(config);
    bitpay::http::routes(config);
    config
        .route("/health/live", web::get().to(health))
        .route("/health/ready", web::get().to(health))
        .default_service(web::route().to(not_found));
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().json(json!({"error": "there is nothing at this address"}))
}

/// A running simulator process.
pub struct Running {
    /// `http://127.0.0.1:<port>`.
    pub base_url: String,
    /// Its state.
    pub state: web::Data<Simulators>,
    handle: ServerHandle,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    dispatcher: Option<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let outcome = (&mut self.server).await.context("the server task")?;
        outcome.context("the server")
    }

    /// Stops at once, as a kill would: nothing more is sent or stored.
    pub async fn stop(mut self) {
        if let Some(dispatcher) = self.dispatcher.take() {
            dispatcher.abort();
        }
        self.handle.stop(false).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.abort();
        }
        self.server.abort();
    }
}

/// Binds and starts; returns when connections are accepted.
///
/// # Errors
/// When the address is taken or the journals cannot be opened.
pub async fn spawn(options: Options) -> anyhow::Result<Running> {
    let listener = std::net::TcpListener::bind((options.host.as_str(), options.port))
        .with_context(|| format!("binding {}:{}", options.host, options.port))?;
    let address: SocketAddr = listener.local_addr()?;
    let base_url = format!("http://{address}");
    let folder = options.data_dir.clone();
    let state = web::Data::new(Simulators {
        inbox: inbox::Inbox::open(folder.as_deref())?,
        sandbox: Arc::new(sandbox::Sandbox::open(folder.as_deref())?),
        kavenegar: kavenegar::Kavenegar::open(folder.as_deref())?,
        bitpay: bitpay::BitPay::open(folder.as_deref())?,
        pages: Pages::new()?,
        public_url: options.public_url.as_deref().map_or_else(
            || base_url.clone(),
            |url| url.trim_end_matches('/').to_owned(),
        ),
        options,
    });
    let shared = state.clone();
    let server =
        HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::JsonConfig::default().limit(1024 * 1024).error_handler(
                    |error, _| {
                        let body = json!({"error": error.to_string()});
                        actix_web::error::InternalError::from_response(
                            error,
                            HttpResponse::BadRequest().json(body),
                        )
                        .into()
                    },
                ))
                .wrap(service_telemetry::RequestTracing::default())
                .configure(routes)
        })
        .workers(1)
        .shutdown_timeout(5)
        .listen(listener)?
        .run();
    let handle = server.handle();
    let dispatcher = state.options.webhook.clone().map(|target| {
        tokio::spawn(sandbox::webhooks::dispatch(
            Arc::clone(&state.sandbox),
            target,
        ))
    });
    Ok(Running {
        base_url,
        state,
        handle,
        server: tokio::spawn(server),
        dispatcher,
    })
}

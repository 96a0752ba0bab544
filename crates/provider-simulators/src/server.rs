//! Shared state, the route map, and the server itself.

use std::{net::SocketAddr, sync::Arc};

use actix_web::{App, HttpResponse, HttpServer, dev::ServerHandle, web};
use anyhow::Context;
use serde_json::json;

use crate::{
    anthropic, bitpay, checkout, inbox, kavenegar, melipayamak, openai, orange,
    pages::Pages,
    parsian, s3, sandbox,
    settings::Options,
    smtp, talkbot, twilio,
    vendor::{Recorder, Vendor},
};

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
    /// The MeliPayamak account.
    pub melipayamak: Vendor,
    /// The Parsian account.
    pub parsian: Vendor,
    /// The Twilio account.
    pub twilio: Vendor,
    /// The Orange account.
    pub orange: Vendor,
    /// Its bearer tokens.
    pub orange_tokens: orange::Tokens,
    /// The mail server.
    pub smtp: smtp::Smtp,
    /// What the SMS vendors were asked.
    pub recorder: Recorder,
    /// ZarinPal's payments.
    pub zarinpal: checkout::Checkout,
    /// PayPing's payments.
    pub payping: checkout::Checkout,
    /// Stripe's Checkout Sessions.
    pub stripe: checkout::Checkout,
    /// Wave's checkout sessions.
    pub wave: checkout::Checkout,
    /// The OpenAI account.
    pub openai: openai::AiAccount,
    /// The Anthropic account.
    pub anthropic: openai::AiAccount,
    /// The TalkBot account.
    pub talkbot: openai::AiAccount,
    /// The store of files.
    pub s3: s3::S3,
    pub(crate) pages: Pages,
    public_url: String,
}

impl Simulators {
    /// Where a payer decides about a sandbox payment.
    pub(crate) fn hosted_url(&self, id: &str) -> String {
        self.page_url(&format!("/dev/sandbox/pay/{id}"))
    }

    /// A path as a browser reaches it.
    pub(crate) fn page_url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// One of the payment vendors by name.
    pub(crate) fn checkout(&self, vendor: &str) -> Option<&checkout::Checkout> {
        match vendor {
            "zarinpal" => Some(&self.zarinpal),
            "payping" => Some(&self.payping),
            "stripe" => Some(&self.stripe),
            "wave" => Some(&self.wave),
            _ => None,
        }
    }
}

/// Whether the caller brought this bearer key.
pub(crate) fn has_bearer(request: &actix_web::HttpRequest, key: &str) -> bool {
    request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        == Some(key)
}

/// The whole HTTP map.
pub fn routes(config: &mut web::ServiceConfig) {
    inbox::http::routes(config);
    sandbox::api::routes(config);
    sandbox::hosted::routes(config);
    kavenegar::http::routes(config);
    bitpay::http::routes(config);
    melipayamak::http::routes(config);
    parsian::http::routes(config);
    twilio::http::routes(config);
    orange::http::routes(config);
    checkout::routes(config);
    openai::routes(config);
    anthropic::routes(config);
    talkbot::routes(config);
    s3::routes(config);
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
    mail: Option<tokio::task::JoinHandle<()>>,
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
        if let Some(mail) = self.mail.take() {
            mail.abort();
        }
        self.handle.stop(false).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.abort();
        }
        if let Some(mail) = &self.mail {
            mail.abort();
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
        melipayamak: Vendor::default(),
        parsian: Vendor::default(),
        twilio: Vendor::default(),
        orange: Vendor::default(),
        orange_tokens: orange::Tokens::default(),
        smtp: smtp::Smtp::default(),
        recorder: Recorder::default(),
        zarinpal: checkout::Checkout::open(folder.as_deref(), "zarinpal")?,
        payping: checkout::Checkout::open(folder.as_deref(), "payping")?,
        stripe: checkout::Checkout::open(folder.as_deref(), "stripe")?,
        wave: checkout::Checkout::open(folder.as_deref(), "wave")?,
        openai: openai::AiAccount::default(),
        anthropic: openai::AiAccount::default(),
        talkbot: openai::AiAccount::default(),
        s3: s3::S3::default(),
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
    let mail = match state.options.smtp_port {
        Some(port) => {
            let host = state.options.host.clone();
            Some(smtp::listen(state.clone().into_inner(), &host, port).await?)
        }
        None => None,
    };
    Ok(Running {
        base_url,
        state,
        handle,
        server: tokio::spawn(server),
        dispatcher,
        mail,
    })
}

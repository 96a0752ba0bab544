//! A mail server (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314) when it is given a certificate:
//! takes mail into the development inbox, or refuses, delays and hangs up on demand.

mod mail;
mod session;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::Context;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::server::Simulators;

/// What the server does to its clients.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Reply lines instead of the usual ones, by verb (`CONNECT`, `EHLO`, `AUTH`, `MAIL`, `RCPT`, `DATA`, `BODY`).
    pub replies: BTreeMap<&'static str, String>,
    /// Milliseconds before the reply to a verb.
    pub delays_ms: BTreeMap<&'static str, u64>,
    /// Hangs up when it should reply to this verb; after `BODY` the mail was taken.
    pub drop_at: Option<&'static str>,
    /// Asks for `AUTH PLAIN` with this name and password.
    pub credentials: Option<(String, String)>,
    /// TLS from the first byte, once there is a certificate; else STARTTLS is offered.
    pub implicit_tls: bool,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Envelope sender.
    pub from: String,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// Headers and body as sent.
    pub raw: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
}

/// State of the mail server.
#[derive(Default)]
pub struct Smtp {
    behaviour: Mutex<Behaviour>,
    mails: Mutex<Vec<Mail>>,
    connections: Mutex<usize>,
    address: Mutex<Option<SocketAddr>>,
    tls: Mutex<Option<TlsAcceptor>>,
}

impl Smtp {
    /// The switches as they are.
    pub fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().clone()
    }

    /// Sets the switches; a conversation under way sees them at its next verb.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// Gives the server a certificate chain and its key, both PEM; from now on it speaks TLS.
    ///
    /// # Errors
    /// When they cannot be read or do not belong together.
    pub fn set_tls(&self, chain: &[u8], key: &[u8]) -> anyhow::Result<()> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .context("the certificate chain")?;
        let key = PrivateKeyDer::from_pem_slice(key).context("the certificate's key")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        *self.tls.lock() = Some(TlsAcceptor::from(Arc::new(config)));
        Ok(())
    }

    pub(crate) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.lock().clone()
    }

    /// Everything that was taken, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().clone()
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        *self.connections.lock()
    }

    /// Where it listens; `None` when it does not.
    pub fn address(&self) -> Option<SocketAddr> {
        *self.address.lock()
    }

    pub(crate) fn connected(&self) {
        *self.connections.lock() += 1;
    }

    pub(crate) fn take(&self, mail: Mail) {
        self.mails.lock().push(mail);
    }
}

/// Listens on `host:port` until the task is dropped.
pub(crate) async fn listen(
    state: Arc<Simulators>,
    host: &str,
    port: u16,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let listener = TcpListener::bind((host, port))
        .await
        .with_context(|| format!("binding {host}:{port} for mail"))?;
    *state.smtp.address.lock() = Some(listener.local_addr()?);
    Ok(tokio::spawn(async move {
        let mut conversations = tokio::task::JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    state.smtp.connected();
                    let state = Arc::clone(&state);
                    conversations.spawn(async move {
                        if let Err(error) = session::serve(&state, socket).await {
                            tracing::debug!(%error, "a mail conversation ended early");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "a mail connection was not accepted"),
            }
            while conversations.try_join_next().is_some() {}
        }
    }))
}

//! Certificates for HTTPS at the door, read again while connections go on.
//!
//! A handshake takes the certificate that is in force at that moment. A new one comes into force when its files change
//! or on SIGHUP; one that cannot be used is refused with an alarm, and the old one stays.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::settings::TlsSettings;

/// The certificate in force.
pub struct Certificates {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// What the files held when they were last read, whether it could be used or not.
    seen: Mutex<[u8; 32]>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        formatter
            .debug_struct("Certificates")
            .field("certificate_file", &self.settings.certificate_file)
            .finish_non_exhaustive()
    }
}

/// What became of reading the files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// They hold what they held.
    Same,
    /// The new certificate is in force.
    New,
}

/// A certificate that can be used.
struct Usable {
    key: CertifiedKey,
    /// When the first certificate of the chain to end does so, in seconds of Unix time.
    expires_at: i64,
    digest: [u8; 32],
}

impl Usable {
    fn has_expired(&self) -> bool {
        self.expires_at <= chrono::Utc::now().timestamp()
    }
}

impl Certificates {
    /// Reads chain and key.
    ///
    /// # Errors
    /// When a file cannot be read, or key and chain do not belong together.
    pub fn read(settings: &TlsSettings) -> anyhow::Result<Arc<Self>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let usable = usable(settings, &provider, &files(settings)?)?;
        tell(usable.expires_at);
        if usable.has_expired() {
            // Nothing better is at hand, and whoever renews it wants the door open.
            tracing::error!("the certificate has expired");
        }
        Ok(Arc::new(Self {
            settings: settings.clone(),
            provider,
            current: ArcSwap::from_pointee(usable.key),
            seen: Mutex::new(usable.digest),
        }))
    }

    /// Reads the files again; a certificate that can be used is in force for the next handshake.
    ///
    /// # Errors
    /// When it cannot be used; the old one stays.
    pub fn reload(&self) -> anyhow::Result<Reload> {
        let files = files(&self.settings)?;
        let mut seen = self.seen.lock();
        if *seen == files.digest() {
            return Ok(Reload::Same);
        }
        let usable = usable(&self.settings, &self.provider, &files)?;
        if usable.has_expired() {
            bail!("{} has expired", self.settings.certificate_file);
        }
        *seen = usable.digest;
        tell(usable.expires_at);
        self.current.store(Arc::new(usable.key));
        Ok(Reload::New)
    }

    /// [`Certificates::reload`], with what became of it in log and metrics.
    pub fn reload_and_tell(&self) {
        match self.reload() {
            Ok(Reload::Same) => {}
            Ok(Reload::New) => tracing::info!("a new certificate is in force"),
            Err(error) => {
                metrics::counter!("gateway_certificate_refused_total").increment(1);
                tracing::error!(
                    error = format!("{error:#}"),
                    "the new certificate is refused; the old one stays"
                );
            }
        }
    }

    /// Looks at the files at this pace, as long as somebody holds the certificates.
    pub async fn watch(this: std::sync::Weak<Self>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let Some(certificates) = this.upgrade() else {
                return;
            };
            certificates.reload_and_tell();
        }
    }

    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, with the certificate that is in force.
    ///
    /// # Errors
    /// When the cryptography cannot be set up.
    pub fn config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn tell(expires_at: i64) {
    metrics::gauge!("gateway_certificate_expires_at_seconds").set(expires_at as f64);
}

struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn digest(&self) -> [u8; 32] {
        let length = (self.chain.len() as u64).to_be_bytes();
        Sha256::new()
            .chain_update(length)
            .chain_update(&self.chain)
            .chain_update(&self.key)
            .finalize()
            .into()
    }
}

fn files(settings: &TlsSettings) -> anyhow::Result<Files> {
    let read = |file: &str| std::fs::read(file).with_context(|| format!("cannot read {file}"));
    Ok(Files {
        chain: read(&settings.certificate_file)?,
        key: read(&settings.key_file)?,
    })
}

fn usable(
    settings: &TlsSettings,
    provider: &CryptoProvider,
    files: &Files,
) -> anyhow::Result<Usable> {
    let chain = CertificateDer::pem_slice_iter(&files.chain)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} is not PEM", settings.certificate_file))?;
    let mut expires_at = None;
    for certificate in &chain {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .with_context(|| format!("{} holds no certificate", settings.certificate_file))?;
        let end = parsed.validity().not_after.timestamp();
        expires_at = Some(expires_at.map_or(end, |earliest: i64| earliest.min(end)));
    }
    let Some(expires_at) = expires_at else {
        bail!("{} holds no certificate", settings.certificate_file);
    };
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .with_context(|| format!("{} holds no key", settings.key_file))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .context("certificate and key do not belong together")?;
    Ok(Usable {
        key,
        expires_at,
        digest: files.digest(),
    })
}

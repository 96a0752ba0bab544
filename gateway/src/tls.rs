//! Certificates for HTTPS at the door.

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::settings::TlsSettings;

/// Reads chain and key; TLS 1.2 and 1.3.
///
/// # Errors
/// When a file cannot be read or key and chain do not belong together.
pub fn config(settings: &TlsSettings) -> anyhow::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&settings.certificate_file)
        .with_context(|| format!("cannot read {}", settings.certificate_file))?
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("{} is not PEM", settings.certificate_file))?;
    if chain.is_empty() {
        bail!("{} holds no certificate", settings.certificate_file);
    }
    let key = PrivateKeyDer::from_pem_file(&settings.key_file)
        .with_context(|| format!("cannot read {}", settings.key_file))?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("certificate and key do not belong together")
}

//! What handlers, consumers and jobs share.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use chrono::{DateTime, Utc};
use file_store::FileStore;
use service_auth::{SealContext, Sealer};
use service_http::Stack;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{Settings, defaults, outgoing::Poster, providers::Registry, rate_rule::Rules};

/// The service's own name, in events and sealed values.
pub(crate) const SERVICE: &str = "integrations";

/// Built once, cloned cheaply.
#[derive(Clone)]
pub struct AppState {
    /// Database, broker, clock and the rest.
    pub stack: Stack,
    /// Settings as loaded.
    pub settings: Arc<Settings>,
    pub(crate) sealer: Sealer,
    pub(crate) http: reqwest::Client,
    pub(crate) registry: Registry,
    pub(crate) poster: Poster,
    /// `None` where no folder or bucket is configured.
    pub(crate) files: Option<FileStore>,
    pub(crate) rules: Rules,
    /// Key of the fingerprints by which a repeated request is told from another one.
    pub(crate) fingerprint_key: Arc<[u8]>,
    /// PEM of the authority of `smtp.ca_file`.
    pub(crate) mail_authority: Option<Arc<str>>,
    defaults: Arc<OnceCell<()>>,
}

impl AppState {
    /// Builds the state; connects to nothing.
    ///
    /// # Errors
    /// When sealing keys, the HTTP client or the file of the mail server's authority cannot be used.
    pub fn build(settings: Settings, stack: Stack) -> anyhow::Result<Self> {
        let sealer = Sealer::from_settings(&settings.sealing).context("sealing keys")?;
        // A provider that redirects is a provider that was moved: an operator decides, not the client. No proxy reads
        // the messages either.
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("tabib")
            .build()
            .context("HTTP client")?;
        let mail_authority = match &settings.smtp.ca_file {
            Some(file) => Some(
                std::fs::read_to_string(file)
                    .with_context(|| format!("smtp.ca_file {}", file.display()))?
                    .into(),
            ),
            None => None,
        };
        let fingerprint_key: Arc<[u8]> = settings.auth.client_secret.expose().as_bytes().into();
        Ok(Self {
            registry: Registry::new(),
            files: settings.file_store()?,
            poster: Poster::new(settings.outgoing.rules(settings.environment))?,
            rules: Rules::default(),
            stack,
            settings: Arc::new(settings),
            sealer,
            http,
            fingerprint_key,
            mail_authority,
            defaults: Arc::default(),
        })
    }

    /// Makes sure that the providers and endpoints which settings describe are in the database; does it once per process.
    ///
    /// # Errors
    /// When the database refuses; the next call tries again.
    pub async fn ready(&self) -> anyhow::Result<()> {
        self.defaults
            .get_or_try_init(|| defaults::ensure(self))
            .await?;
        Ok(())
    }

    /// Checks every live provider and records what was found, as the worker does every 300 seconds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_providers(&self) -> anyhow::Result<()> {
        crate::provider::health::check_all(self).await
    }

    /// Warns of credentials that end soon, as the worker does every hour.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn check_credentials(&self) -> anyhow::Result<()> {
        crate::credential::expiry::warn(self).await
    }

    /// Seals anew what rests under an older key, as the worker does every hour; answers how many values.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reseal(&self) -> anyhow::Result<usize> {
        crate::reseal::run(self).await
    }

    /// Removes from the file store what is no file, as the worker does every ten minutes.
    ///
    /// # Errors
    /// When database or store does not answer.
    pub async fn sweep_files(&self) -> anyhow::Result<()> {
        crate::file::sweep::run(self).await
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.stack.clock.now()
    }

    pub(crate) fn seal(
        &self,
        table: &'static str,
        row: Uuid,
        column: &'static str,
        value: &[u8],
    ) -> String {
        self.sealer.seal(
            &SealContext {
                service: SERVICE,
                table,
                row,
                column,
            },
            value,
        )
    }

    /// Opens a sealed text.
    pub(crate) fn open(
        &self,
        table: &'static str,
        row: Uuid,
        column: &'static str,
        sealed: &str,
    ) -> anyhow::Result<String> {
        let opened = self.sealer.open(
            &SealContext {
                service: SERVICE,
                table,
                row,
                column,
            },
            sealed,
        )?;
        Ok(std::str::from_utf8(&opened)
            .context("a sealed text is not UTF-8")?
            .to_owned())
    }

    /// How many times wider send budgets are (decision 13).
    pub(crate) fn budget_factor(&self) -> u32 {
        if self.stack.environment_is_development() {
            100
        } else {
            1
        }
    }
}

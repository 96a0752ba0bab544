//! The live providers with their opened credentials, read from the database and held for seconds.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use common_types::internal::integrations::Channel;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use parking_lot::Mutex;
use service_config::{Environment, Secret};
use uuid::Uuid;

use super::{
    Adapter,
    ai::{
        TextProvider,
        anthropic::Anthropic,
        audio::AudioProvider,
        extractive::Extractive,
        openai::{Account, OpenAi},
    },
    carriers::{CarrierSettings, Kept},
};
use crate::{
    AppState,
    schema::{provider_credentials, providers, sms_callbacks},
};

/// A rotated credential is used at most this long after.
const HELD: Duration = Duration::from_secs(5);

/// An active provider.
#[derive(Clone)]
pub struct LiveProvider {
    /// Row id.
    pub id: Uuid,
    /// Slug.
    pub slug: String,
    /// `sms`, `ai` …
    pub provider_type: String,
    /// Which client.
    pub adapter: Adapter,
    /// Base address without a final slash.
    pub base_url: String,
    /// How it carries messages.
    pub settings: Arc<CarrierSettings>,
    pub(crate) callback_secret: Option<Secret>,
    pub(super) kept: Kept,
    values: Arc<BTreeMap<(Option<Uuid>, String), Secret>>,
}

impl fmt::Debug for LiveProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveProvider")
            .field("slug", &self.slug)
            .finish_non_exhaustive()
    }
}

impl LiveProvider {
    /// A credential: the organisation's own, else the platform's.
    pub fn value(&self, organization: Option<Uuid>, key: &str) -> Option<&Secret> {
        organization
            .and_then(|id| self.values.get(&(Some(id), key.to_owned())))
            .or_else(|| self.values.get(&(None, key.to_owned())))
    }

    /// All credentials of an organisation, the platform's where it has none.
    pub fn values(&self, organization: Option<Uuid>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for wanted in [None, organization] {
            for ((owner, key), value) in self.values.iter() {
                if *owner == wanted {
                    all.insert(key.clone(), value.expose().to_owned());
                }
            }
        }
        all
    }

    /// The client that makes texts.
    pub fn texts(
        &self,
        state: &AppState,
        organization: Option<Uuid>,
    ) -> Option<Box<dyn TextProvider>> {
        match self.adapter {
            Adapter::OpenAi | Adapter::TalkBot => {
                Some(Box::new(self.openai_shaped(state, organization)?))
            }
            Adapter::Anthropic => {
                let settings = &state.settings.anthropic;
                Some(Box::new(Anthropic::new(
                    state.http.clone(),
                    self.base_url.clone(),
                    self.value(organization, "api_key")?.clone(),
                    settings.default_model.clone(),
                    settings.known_models(),
                    state.settings.ai.times(),
                )))
            }
            Adapter::Extractive => Some(Box::new(Extractive)),
            Adapter::Kavenegar
            | Adapter::MeliPayamak
            | Adapter::Parsian
            | Adapter::Twilio
            | Adapter::Orange
            | Adapter::HttpSms
            | Adapter::Smtp
            | Adapter::DevelopmentInbox
            | Adapter::Sandbox
            | Adapter::PaymentGateway => None,
        }
    }
}

impl LiveProvider {
    fn openai_shaped(&self, state: &AppState, organization: Option<Uuid>) -> Option<OpenAi> {
        let openai = self.adapter == Adapter::OpenAi;
        let settings = if openai {
            &state.settings.openai
        } else {
            &state.settings.talkbot
        };
        let account = Account {
            base_url: self.base_url.clone(),
            api_key: self.value(organization, "api_key")?.clone(),
            default_model: settings.default_model.clone(),
            models: settings.known_models(),
            streams: openai,
        };
        Some(OpenAi::new(
            state.http.clone(),
            account,
            state.settings.ai.times(),
        ))
    }

    /// The client that writes down what is said.
    pub fn audio(
        &self,
        state: &AppState,
        organization: Option<Uuid>,
    ) -> Option<Box<dyn AudioProvider>> {
        if self.adapter != Adapter::OpenAi {
            return None;
        }
        Some(Box::new(self.openai_shaped(state, organization)?))
    }
}

/// When the providers were read, and what was read.
type Held = (Instant, Arc<Vec<LiveProvider>>);

/// Reads and holds the live providers.
#[derive(Clone)]
pub struct Registry {
    held: Arc<Mutex<Option<Held>>>,
    pub(crate) kept: Kept,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            held: Arc::default(),
            kept: Kept::default(),
        }
    }

    /// The credential environment of this installation; `test` uses the development one.
    pub fn environment(state: &AppState) -> &'static str {
        match state.settings.environment {
            Environment::Production => "production",
            Environment::Development | Environment::Test => "development",
        }
    }

    /// Drops what is held, after a change.
    pub fn forget(&self) {
        *self.held.lock() = None;
    }

    /// Active providers, first to be tried first. Stand-ins are never among them in production.
    ///
    /// # Errors
    /// When the database does not answer or a credential cannot be opened.
    pub async fn live(&self, state: &AppState) -> anyhow::Result<Arc<Vec<LiveProvider>>> {
        if let Some((read, providers)) = self.held.lock().clone()
            && read.elapsed() < HELD
        {
            return Ok(providers);
        }
        state.ready().await?;
        let providers = Arc::new(read(state).await?);
        *self.held.lock() = Some((Instant::now(), Arc::clone(&providers)));
        Ok(providers)
    }

    /// Active providers of a kind.
    ///
    /// # Errors
    /// As [`Registry::live`].
    pub async fn of_type(
        &self,
        state: &AppState,
        provider_type: &str,
    ) -> anyhow::Result<Vec<LiveProvider>> {
        let live = self.live(state).await?;
        Ok(live
            .iter()
            .filter(|provider| provider.provider_type == provider_type)
            .cloned()
            .collect())
    }

    /// Active providers that carry a channel.
    ///
    /// # Errors
    /// As [`Registry::live`].
    pub async fn carriers(
        &self,
        state: &AppState,
        channel: Channel,
    ) -> anyhow::Result<Vec<LiveProvider>> {
        let provider_type = match channel {
            Channel::Sms | Channel::Voice => "sms",
            Channel::Email => "notification",
        };
        self.of_type(state, provider_type).await
    }
}

type ProviderTuple = (Uuid, String, String, String, String, serde_json::Value);
type CredentialTuple = (Uuid, Uuid, Option<Uuid>, String, String);

async fn read(state: &AppState) -> anyhow::Result<Vec<LiveProvider>> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let rows: Vec<ProviderTuple> = providers::table
        .filter(providers::status.eq("active"))
        // Kept for its credentials and webhooks; nothing speaks to it.
        .filter(providers::adapter.ne("none"))
        .order((providers::priority, providers::slug))
        .select((
            providers::id,
            providers::slug,
            providers::provider_type,
            providers::adapter,
            providers::api_base_url,
            providers::settings,
        ))
        .load(&mut conn)
        .await?;
    let credentials: Vec<CredentialTuple> = provider_credentials::table
        .filter(provider_credentials::is_active)
        .filter(provider_credentials::environment.eq(Registry::environment(state)))
        .filter(
            provider_credentials::expires_at
                .is_null()
                .or(provider_credentials::expires_at.gt(now)),
        )
        .select((
            provider_credentials::id,
            provider_credentials::provider_id,
            provider_credentials::organization_id,
            provider_credentials::key_name,
            provider_credentials::value_sealed,
        ))
        .load(&mut conn)
        .await?;
    let callbacks: Vec<(Uuid, String)> = sms_callbacks::table
        .select((sms_callbacks::provider_id, sms_callbacks::secret_sealed))
        .load(&mut conn)
        .await?;
    drop(conn);
    let production = state.settings.environment == Environment::Production;
    let mut live = Vec::new();
    for (id, slug, provider_type, adapter, base_url, settings) in rows {
        let Some(adapter) = Adapter::parse(&adapter) else {
            tracing::warn!(provider = %slug, %adapter, "no client for this provider");
            continue;
        };
        if production && adapter.is_stand_in() {
            tracing::error!(provider = %slug, "a development stand-in is active in production and is not used");
            continue;
        }
        let mut values = BTreeMap::new();
        for (credential, _, organization, key, sealed) in
            credentials.iter().filter(|row| row.1 == id)
        {
            let value = state.open("provider_credentials", *credential, "value_sealed", sealed)?;
            values.insert((*organization, key.clone()), Secret::new(value));
        }
        let base_url = base_url.trim_end_matches('/').to_owned();
        let settings: CarrierSettings = match serde_json::from_value(settings) {
            Ok(settings) => settings,
            Err(error) => {
                tracing::error!(provider = %slug, %error, "the provider's settings cannot be read; it is not used");
                continue;
            }
        };
        let callback_secret = match callbacks.iter().find(|(provider, _)| *provider == id) {
            Some((_, sealed)) => Some(Secret::new(state.open(
                "sms_callbacks",
                id,
                "secret_sealed",
                sealed,
            )?)),
            None => None,
        };
        live.push(LiveProvider {
            id,
            slug,
            provider_type,
            adapter,
            base_url,
            settings: Arc::new(settings),
            callback_secret,
            kept: state.registry.kept.clone(),
            values: Arc::new(values),
        });
    }
    Ok(live)
}

use std::{sync::Arc, time::Duration};

use common_types::internal::integrations::ProviderCredentials;
use moka::future::Cache;
use service_auth::InternalClient;
use service_config::Secret;

use super::ProviderError;

/// How long a credential stays in memory (decision 17).
const LIFETIME: Duration = Duration::from_secs(300);

/// A provider's key: from our own settings (the old names), else from integrations.
#[derive(Clone)]
pub struct Credential {
    slug: &'static str,
    fixed: Option<Secret>,
    client: InternalClient,
    cache: Cache<(), Arc<Secret>>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("slug", &self.slug)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// The key of `slug`; nothing is asked yet.
    pub fn new(slug: &'static str, fixed: Option<Secret>, client: &InternalClient) -> Self {
        let cache = Cache::builder()
            .max_capacity(1)
            .time_to_live(LIFETIME)
            .build();
        Self {
            slug,
            fixed,
            client: client.clone(),
            cache,
        }
    }

    /// The key. Many callers at once ask integrations once.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`] when integrations does not answer, [`ProviderError::Refused`]
    /// when it knows no such key.
    pub async fn get(&self) -> Result<Arc<Secret>, ProviderError> {
        if let Some(fixed) = &self.fixed {
            return Ok(Arc::new(fixed.clone()));
        }
        let asked = self.cache.try_get_with((), self.ask()).await;
        asked.map_err(|error| match &*error {
            ProviderError::Refused(reason) => ProviderError::Refused(reason.clone()),
            ProviderError::Unknown(reason) => ProviderError::Unknown(reason.clone()),
        })
    }

    /// Drops the key from memory, after the provider did not know it.
    pub async fn forget(&self) {
        self.cache.invalidate(&()).await;
    }

    async fn ask(&self) -> Result<Arc<Secret>, ProviderError> {
        let path = format!("/internal/credentials/{}/", self.slug);
        let mut answer: ProviderCredentials =
            self.client
                .get_json(&path)
                .await
                .map_err(|error| match error.status() {
                    Some(404) => ProviderError::Refused(format!("no credential {}", self.slug)),
                    _ => ProviderError::Unknown(format!("credential {}: {error}", self.slug)),
                })?;
        let key = answer.values.remove("api_key");
        key.map(|key| Arc::new(Secret::from(key))).ok_or_else(|| {
            ProviderError::Refused(format!("credential {} has no api_key", self.slug))
        })
    }
}

//! Partner systems' API keys, asked of their owner and remembered for five seconds (decisions.md 9).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common_types::internal::auth::{ApiKeyInfo, IntrospectRequest};
use moka::future::Cache;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::internal_client::{InternalClient, InternalError};

/// How long an answer is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(5);
/// How many answers are remembered.
const CACHED_KEYS: u64 = 10_000;
/// A longer text is no key of ours, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// An active key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The key's id; never the key.
    pub id: Uuid,
    /// The partner's name.
    pub name: String,
    /// What the key may do.
    pub scopes: Vec<String>,
    /// The organisation it belongs to, if to one.
    pub organization_id: Option<Uuid>,
}

impl ApiKey {
    /// Whether the key may do this.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| held == scope)
    }
}

/// Introspects API keys; cheap to clone.
#[derive(Clone)]
pub struct ApiKeys {
    client: InternalClient,
    cache: Cache<[u8; 32], Option<Arc<ApiKey>>>,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("cached", &self.cache.entry_count())
            .finish_non_exhaustive()
    }
}

impl ApiKeys {
    /// Asks auth-otp through this client.
    #[must_use]
    pub fn new(auth_otp: InternalClient) -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHED_KEYS)
            .time_to_live(BELIEVED_FOR)
            .build();
        Self {
            client: auth_otp,
            cache,
        }
    }

    /// The key's owner and scopes, or `None` when it is unknown, revoked or expired.
    ///
    /// # Errors
    /// When auth-otp gives no answer; nothing is cached then.
    pub async fn introspect(&self, key: &str) -> Result<Option<Arc<ApiKey>>, InternalError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let ask = async {
            let request = IntrospectRequest {
                key: key.to_owned(),
            };
            let answer: ApiKeyInfo = self
                .client
                .post_json("/internal/api-keys/introspect", &request)
                .await?;
            Ok::<_, InternalError>(read(answer).map(Arc::new))
        };
        self.cache
            .try_get_with(digest, ask)
            .await
            .map_err(|error: Arc<InternalError>| (*error).clone())
    }
}

fn read(answer: ApiKeyInfo) -> Option<ApiKey> {
    if !answer.active {
        return None;
    }
    Some(ApiKey {
        id: answer.id?,
        name: answer.name.unwrap_or_default(),
        scopes: answer.scopes,
        organization_id: answer.organization_id,
    })
}

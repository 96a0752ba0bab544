//! One issuer's public keys: fetched, kept, refreshed when a token names a key not seen before.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use aws_lc_rs::signature::ParsedPublicKey;
use common_types::clock::SharedClock;
use parking_lot::Mutex;

use crate::error::AuthError;
use crate::keys::PublicKeys;

/// The shortest time between two fetches that tokens can cause, in milliseconds.
const MIN_INTERVAL_MS: i64 = 3_000;
/// How long an unknown `kid` is refused without asking again, in milliseconds.
const NEGATIVE_MS: i64 = 5_000;
/// How many unknown ids are remembered.
const NEGATIVE_ENTRIES: usize = 1_024;
/// A larger answer is not a key set.
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

pub(crate) struct KeyStore {
    url: Option<String>,
    keys: ArcSwap<BTreeMap<String, Arc<ParsedPublicKey>>>,
    unknown: Mutex<HashMap<String, i64>>,
    last_attempt: AtomicI64,
    fetching: tokio::sync::Mutex<()>,
    http: reqwest::Client,
    clock: SharedClock,
}

impl KeyStore {
    pub(crate) fn new(url: &str, http: reqwest::Client, clock: SharedClock) -> Self {
        Self {
            url: (!url.is_empty()).then(|| url.to_owned()),
            keys: ArcSwap::default(),
            unknown: Mutex::default(),
            last_attempt: AtomicI64::new(i64::MIN / 2),
            fetching: tokio::sync::Mutex::default(),
            http,
            clock,
        }
    }

    /// Replaces the keys.
    pub(crate) fn install(&self, keys: &PublicKeys) {
        self.keys.store(keys.verifying_keys().into());
        self.unknown.lock().clear();
    }

    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.keys.load().contains_key(kid)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    /// Whether there is an address but no key has ever come from it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.url.is_some() && self.is_empty()
    }

    /// The key of this id, after at most one fetch.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<ParsedPublicKey>, AuthError> {
        if let Some(key) = self.keys.load().get(kid) {
            return Ok(Arc::clone(key));
        }
        // A fetch under way counts as asking: its answer is waited for.
        if self.may_ask(kid) || self.fetching.try_lock().is_err() {
            let _one_at_a_time = self.fetching.lock().await;
            if !self.knows(kid) && self.may_ask(kid) {
                self.refresh().await;
            }
        }
        if let Some(key) = self.keys.load().get(kid) {
            return Ok(Arc::clone(key));
        }
        if self.is_empty() {
            return Err(AuthError::KeysUnavailable);
        }
        self.remember_unknown(kid);
        Err(AuthError::UnknownKey)
    }

    /// Fetches the set now; on failure the known keys stay.
    pub(crate) async fn refresh(&self) {
        let Some(url) = &self.url else { return };
        self.last_attempt.store(self.now_ms(), Ordering::Relaxed);
        match self.fetch(url).await {
            Ok(keys) if !keys.keys.is_empty() => self.install(&keys),
            Ok(_) => tracing::warn!(url, "the key set is empty; keeping the known keys"),
            Err(error) => tracing::warn!(
                url,
                error = format!("{error:#}"),
                "cannot fetch the key set"
            ),
        }
    }

    async fn fetch(&self, url: &str) -> anyhow::Result<PublicKeys> {
        let request = service_telemetry::traced(self.http.get(url));
        let mut response = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(
                body.len() + chunk.len() <= MAX_DOCUMENT_BYTES,
                "the key set is too large"
            );
            body.extend_from_slice(&chunk);
        }
        Ok(PublicKeys::from_json(&body)?)
    }

    fn may_ask(&self, kid: &str) -> bool {
        let now = self.now_ms();
        let rested =
            now.saturating_sub(self.last_attempt.load(Ordering::Relaxed)) >= MIN_INTERVAL_MS;
        let refused = self
            .unknown
            .lock()
            .get(kid)
            .is_some_and(|at| now - at < NEGATIVE_MS);
        self.url.is_some() && rested && !refused
    }

    fn remember_unknown(&self, kid: &str) {
        let now = self.now_ms();
        let mut unknown = self.unknown.lock();
        if unknown.len() >= NEGATIVE_ENTRIES {
            unknown.clear();
        }
        unknown.entry(kid.to_owned()).or_insert(now);
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

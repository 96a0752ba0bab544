//! The strict check of a token, the same in the gateway and in every service (Q-A4).

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common_types::claims::{AccessClaims, PortalClaims, ServiceClaims};
use common_types::clock::SharedClock;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;
use service_config::AuthSettings;
use uuid::Uuid;

use crate::error::AuthError;
use crate::jwks::KeyStore;
use crate::jws::{Parsed, TokenKind};
use crate::keys::{KeyError, PublicKeys, Signer};
use crate::refresher::BackgroundTask;
use crate::revocation::{RevocationSource, Revocations};
use crate::service_tokens::ServiceTokens;

/// How far clocks may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 10;
/// No token of ours lives longer than a portal session, in seconds.
pub const MAX_LIFETIME_SECONDS: i64 = 12 * 3600;
/// How many verified tokens are expected to be remembered.
const CACHED_TOKENS: usize = 20_000;
/// The most memory that remembered tokens take, in bytes.
const CACHED_BYTES: u64 = 24 * 1024 * 1024;
/// What a remembered token costs beside its own bytes.
const CACHE_OVERHEAD: u64 = 512;

/// Verifies tokens; cheap to clone, all clones share keys, cache and revocations.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) people: KeyStore,
    pub(crate) patients: KeyStore,
    pub(crate) revocations: Revocations,
    pub(crate) settings: AuthSettings,
    /// By the token's own bytes: a token is known only when every byte is the same.
    verified: Cache<Box<str>, Arc<Verified>, Bytes>,
    clock: SharedClock,
}

/// Weighs a remembered token.
#[derive(Clone)]
struct Bytes;

impl Weighter<Box<str>, Arc<Verified>> for Bytes {
    fn weight(&self, token: &Box<str>, _: &Arc<Verified>) -> u64 {
        token.len() as u64 + CACHE_OVERHEAD
    }
}

struct Verified {
    kid: Arc<str>,
    expires_at: i64,
    claims: Claims,
}

#[derive(Clone)]
enum Claims {
    Access(Arc<AccessClaims>),
    Service(Arc<ServiceClaims>),
    Portal(Arc<PortalClaims>),
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.inner.settings.issuer)
            .field("revocations", &self.inner.revocations)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for both issuers. Signs and verifies once, so that a broken build fails here and not at the first
    /// request. Keys are fetched when first needed, or by [`Verifier::start`].
    ///
    /// # Errors
    /// When the self-test fails or no HTTP client can be made.
    pub fn new(settings: impl Borrow<AuthSettings>, clock: SharedClock) -> Result<Self, KeyError> {
        Signer::generate()?.self_test()?;
        let settings = settings.borrow().clone();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(3))
            .connect_timeout(Duration::from_secs(1))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| KeyError::Library("http client"))?;
        let inner = Inner {
            people: KeyStore::new(&settings.jwks_url, http.clone(), clock.clone()),
            patients: KeyStore::new(&settings.portal_jwks_url, http, clock.clone()),
            revocations: Revocations::new(clock.clone()),
            verified: Cache::with_weighter(CACHED_TOKENS, CACHED_BYTES, Bytes),
            settings,
            clock,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Installs the keys of people and services without fetching (the issuer itself, tests).
    pub fn install_keys(&self, keys: &PublicKeys) {
        self.inner.people.install(keys);
    }

    /// Installs the portal's keys without fetching (the portal itself, tests).
    pub fn install_portal_keys(&self, keys: &PublicKeys) {
        self.inner.patients.install(keys);
    }

    /// Fetches keys every minute and polls both owners' revocations, until the returned guard is dropped.
    /// The owners' addresses are `revocations_url` and `portal_revocations_url`.
    #[must_use = "the work stops when the guard is dropped"]
    pub fn start(&self, tokens: &ServiceTokens) -> BackgroundTask {
        let settings = &self.inner.settings;
        let mut sources = Vec::new();
        for (name, url) in [
            ("auth-otp", &settings.revocations_url),
            ("portal", &settings.portal_revocations_url),
        ] {
            if !url.is_empty() {
                let client = crate::InternalClient::new(url, tokens.clone())
                    .with_timeout(Duration::from_secs(2));
                sources.push(RevocationSource::http(name, client));
            }
        }
        self.start_with(sources)
    }

    /// As [`Verifier::start`], with sources of the caller's choice.
    #[must_use = "the work stops when the guard is dropped"]
    pub fn start_with(&self, sources: Vec<RevocationSource>) -> BackgroundTask {
        BackgroundTask::spawn(&self.inner, sources)
    }

    /// The revocations this verifier consults; apply broadcast events here.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.inner.revocations
    }

    /// Whether there are keys to verify with (readiness).
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.inner.people.is_empty()
    }

    /// For sensitive routes: refuses while the state of revocations is unknown (decisions.md 8).
    ///
    /// # Errors
    /// [`AuthError::RevocationsUnknown`].
    pub fn require_fresh(&self) -> Result<(), AuthError> {
        if self.inner.revocations.is_stale() {
            Err(AuthError::RevocationsUnknown)
        } else {
            Ok(())
        }
    }

    /// Checks a person's access token.
    ///
    /// # Errors
    /// Any [`AuthError`] but `RevocationsUnknown`.
    pub async fn verify_access(&self, token: &str) -> Result<Arc<AccessClaims>, AuthError> {
        match self.verify(token, TokenKind::Access).await? {
            Claims::Access(claims) => Ok(claims),
            Claims::Service(_) | Claims::Portal(_) => Err(AuthError::WrongKind),
        }
    }

    /// Checks a service client's token.
    ///
    /// # Errors
    /// As [`Verifier::verify_access`].
    pub async fn verify_service(&self, token: &str) -> Result<Arc<ServiceClaims>, AuthError> {
        match self.verify(token, TokenKind::Service).await? {
            Claims::Service(claims) => Ok(claims),
            Claims::Access(_) | Claims::Portal(_) => Err(AuthError::WrongKind),
        }
    }

    /// Checks a patient's portal session token. The thirty minutes of idleness are the portal's to check.
    ///
    /// # Errors
    /// As [`Verifier::verify_access`].
    pub async fn verify_portal(&self, token: &str) -> Result<Arc<PortalClaims>, AuthError> {
        match self.verify(token, TokenKind::Portal).await? {
            Claims::Portal(claims) => Ok(claims),
            Claims::Access(_) | Claims::Service(_) => Err(AuthError::WrongKind),
        }
    }

    async fn verify(&self, token: &str, kind: TokenKind) -> Result<Claims, AuthError> {
        let result = self.check(token, kind).await;
        if let Err(error) = &result {
            metrics::counter!("auth_tokens_refused_total", "kind" => kind.token_type(), "code" => error.code())
                .increment(1);
        }
        result
    }

    async fn check(&self, token: &str, kind: TokenKind) -> Result<Claims, AuthError> {
        if token.len() > crate::MAX_TOKEN_BYTES {
            return Err(AuthError::Malformed);
        }
        let store = match kind {
            TokenKind::Access | TokenKind::Service => &self.inner.people,
            TokenKind::Portal => &self.inner.patients,
        };
        let verified = match self.inner.verified.get(token) {
            Some(known) if store.knows(&known.kid) => known,
            _ => {
                // Boxed: a remembered token should not pay for the room that fetching keys needs.
                let fresh = Arc::new(Box::pin(self.check_fully(token, kind, store)).await?);
                self.inner.verified.insert(token.into(), Arc::clone(&fresh));
                fresh
            }
        };
        let now = self.inner.clock.now().timestamp();
        if verified.expires_at.saturating_add(LEEWAY_SECONDS) <= now {
            self.inner.verified.remove(token);
            return Err(AuthError::Expired);
        }
        let (session, subject, issued_at) = match &verified.claims {
            Claims::Access(claims) => (claims.sid, claims.sub, claims.iat),
            Claims::Portal(claims) => (claims.sid, claims.sub, claims.iat),
            Claims::Service(claims) => (claims.jti, Uuid::nil(), claims.iat),
        };
        if self
            .inner
            .revocations
            .is_revoked(session, subject, issued_at)
        {
            return Err(AuthError::Revoked);
        }
        Ok(verified.claims.clone())
    }

    /// Everything about a token that does not change while it lives.
    async fn check_fully(
        &self,
        token: &str,
        kind: TokenKind,
        store: &KeyStore,
    ) -> Result<Verified, AuthError> {
        let parsed = Parsed::parse(token, kind)?;
        let key = store.find(&parsed.kid).await?;
        key.verify_sig(parsed.signed.as_bytes(), &parsed.signature)
            .map_err(|_| AuthError::BadSignature)?;
        let value = parsed.claims()?;
        let issuer = match kind {
            TokenKind::Access | TokenKind::Service => &self.inner.settings.issuer,
            TokenKind::Portal => &self.inner.settings.portal_issuer,
        };
        let expires_at =
            check_registered(&value, kind, issuer, self.inner.clock.now().timestamp())?;
        let claims = match kind {
            TokenKind::Access => Claims::Access(typed(value)?),
            TokenKind::Service => Claims::Service(typed(value)?),
            TokenKind::Portal => Claims::Portal(typed(value)?),
        };
        Ok(Verified {
            kid: parsed.kid.into(),
            expires_at,
            claims,
        })
    }
}

fn typed<T: DeserializeOwned>(value: serde_json::Value) -> Result<Arc<T>, AuthError> {
    serde_json::from_value(value)
        .map(Arc::new)
        .map_err(|_| AuthError::BadClaims)
}

/// Checks the claims every kind has and returns `exp`. All are required; times are integers, never strings
/// (CVE-2026-25537 is the story of a library that skipped `exp` when it was a string).
fn check_registered(
    value: &serde_json::Value,
    kind: TokenKind,
    issuer: &str,
    now: i64,
) -> Result<i64, AuthError> {
    let text = |name: &str| {
        value
            .get(name)
            .and_then(serde_json::Value::as_str)
            .ok_or(AuthError::BadClaims)
    };
    let time = |name: &str| {
        value
            .get(name)
            .and_then(serde_json::Value::as_i64)
            .ok_or(AuthError::BadClaims)
    };
    if text("iss")? != issuer {
        return Err(AuthError::WrongIssuer);
    }
    if text("aud")? != kind.audience() {
        return Err(AuthError::WrongAudience);
    }
    if text("token_type")? != kind.token_type() {
        return Err(AuthError::WrongKind);
    }
    let (expires_at, not_before, issued_at) = (time("exp")?, time("nbf")?, time("iat")?);
    let lifetime = expires_at
        .checked_sub(issued_at)
        .ok_or(AuthError::BadClaims)?;
    if !(1..=MAX_LIFETIME_SECONDS).contains(&lifetime) || issued_at < 0 || not_before < 0 {
        return Err(AuthError::BadClaims);
    }
    if not_before > now + LEEWAY_SECONDS || issued_at > now + LEEWAY_SECONDS {
        return Err(AuthError::NotYetValid);
    }
    if expires_at + LEEWAY_SECONDS <= now {
        return Err(AuthError::Expired);
    }
    Ok(expires_at)
}

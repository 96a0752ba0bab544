//! An issuer with keys of its own, for tests of the gateway and of every service, and the tokens they must refuse.
//!
//! Nothing here weakens a running service: a verifier accepts these tokens only after a test installed these keys.

mod bad_claims;
mod bad_forms;
mod bad_headers;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use common_types::claims::{AccessClaims, PortalClaims, ServiceClaims};
use common_types::clock::SharedClock;
use common_types::{Language, SystemClock};
use serde_json::Value;
use uuid::Uuid;

use crate::jws::TokenKind;
use crate::keys::{PublicKeys, Signer};
use crate::service_tokens::{FetchedToken, ServiceTokens};
use crate::verifier::Verifier;

/// The issuer's name in tests.
pub const ISSUER: &str = "https://id.tabib.test";
/// The portal's name in tests.
pub const PORTAL_ISSUER: &str = "https://portal.tabib.test";

/// Signs any token, good or bad.
#[derive(Clone)]
pub struct TestIssuer {
    signer: Signer,
    portal_signer: Signer,
    clock: SharedClock,
}

impl std::fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestIssuer")
            .field("kid", &self.signer.kid())
            .finish_non_exhaustive()
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl TestIssuer {
    /// New keys and the machine's clock.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock::shared())
    }

    /// New keys and this clock.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn with_clock(clock: SharedClock) -> Self {
        let key = || Signer::generate().expect("a test machine has randomness");
        Self {
            signer: key(),
            portal_signer: key(),
            clock,
        }
    }

    /// An issuer that signs with given keys (of a running service).
    #[must_use]
    pub fn with_signers(signer: Signer, portal_signer: Signer, clock: SharedClock) -> Self {
        Self {
            signer,
            portal_signer,
            clock,
        }
    }

    /// The key of people and services.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The portal's key.
    #[must_use]
    pub fn portal_signer(&self) -> &Signer {
        &self.portal_signer
    }

    /// The public keys of people and services.
    #[must_use]
    pub fn jwks(&self) -> PublicKeys {
        self.signer.jwks()
    }

    /// The portal's public keys.
    #[must_use]
    pub fn portal_jwks(&self) -> PublicKeys {
        self.portal_signer.jwks()
    }

    /// Makes a verifier accept this issuer's tokens; its settings must name [`ISSUER`] and [`PORTAL_ISSUER`].
    pub fn install_in(&self, verifier: &Verifier) {
        verifier.install_keys(&self.jwks());
        verifier.install_portal_keys(&self.portal_jwks());
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Valid access claims of a person without roles.
    #[must_use]
    pub fn access_claims(&self) -> AccessClaims {
        let now = self.now().timestamp();
        AccessClaims {
            iss: ISSUER.into(),
            aud: TokenKind::Access.audience().into(),
            sub: Uuid::now_v7(),
            exp: now + 900,
            iat: now,
            nbf: now,
            jti: Uuid::now_v7(),
            sid: Uuid::now_v7(),
            token_type: TokenKind::Access.token_type().into(),
            user_id: "1".into(),
            org: None,
            clinic_role: None,
            content_role: None,
            superuser: false,
            group: 0,
            lang: Language::Fa,
            name: "آزمون".into(),
            stepped_up_at: None,
        }
    }

    /// An access token; the closure changes the claims first.
    ///
    /// # Panics
    /// When signing fails.
    #[must_use]
    pub fn access(&self, change: impl FnOnce(&mut AccessClaims)) -> String {
        let mut claims = self.access_claims();
        change(&mut claims);
        self.signer
            .sign_access(&claims)
            .expect("signing test claims")
    }

    /// A service token of this client.
    ///
    /// # Panics
    /// When signing fails.
    #[must_use]
    pub fn service(&self, name: &str) -> String {
        let now = self.now().timestamp();
        let claims = ServiceClaims {
            iss: ISSUER.into(),
            aud: TokenKind::Service.audience().into(),
            sub: format!("service:{name}"),
            exp: now + 600,
            iat: now,
            nbf: now,
            jti: Uuid::now_v7(),
            token_type: TokenKind::Service.token_type().into(),
            scope: "internal".into(),
        };
        self.signer
            .sign_service(&claims)
            .expect("signing test claims")
    }

    /// A portal session token; the closure changes the claims first.
    ///
    /// # Panics
    /// When signing fails.
    #[must_use]
    pub fn portal(&self, change: impl FnOnce(&mut PortalClaims)) -> String {
        let now = self.now().timestamp();
        let mut claims = PortalClaims {
            iss: PORTAL_ISSUER.into(),
            aud: TokenKind::Portal.audience().into(),
            sub: Uuid::now_v7(),
            exp: now + 12 * 3600,
            iat: now,
            nbf: now,
            jti: Uuid::now_v7(),
            sid: Uuid::now_v7(),
            token_type: TokenKind::Portal.token_type().into(),
            org: Uuid::now_v7(),
            access_id: Uuid::now_v7(),
        };
        change(&mut claims);
        self.portal_signer
            .sign_portal(&claims)
            .expect("signing test claims")
    }

    /// Service tokens without an endpoint, for a client under test.
    #[must_use]
    pub fn service_tokens(&self, name: &str) -> ServiceTokens {
        let issuer = Arc::new(self.clone());
        let name: Arc<str> = name.into();
        ServiceTokens::from_fn(self.clock.clone(), move || {
            let token = FetchedToken {
                token: issuer.service(&name).into(),
                expires_at: issuer.now() + chrono::TimeDelta::seconds(600),
            };
            async move { Ok(token) }
        })
    }

    /// The header every good access token has.
    pub(crate) fn header(&self) -> Value {
        serde_json::json!({"typ": TokenKind::Access.typ(), "alg": "ES256", "kid": self.signer.kid()})
    }

    /// The payload of a good access token.
    pub(crate) fn payload(&self) -> Value {
        serde_json::to_value(self.access_claims()).expect("claims are JSON")
    }

    /// A properly signed token of any bytes.
    pub(crate) fn raw(&self, header: &[u8], payload: &[u8]) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = self
            .signer
            .sign_raw(signed.as_bytes())
            .expect("signing test bytes");
        format!("{signed}.{signature}")
    }

    /// A properly signed token of any two values.
    pub(crate) fn of(&self, header: &Value, payload: &Value) -> String {
        self.raw(
            header.to_string().as_bytes(),
            payload.to_string().as_bytes(),
        )
    }
}

/// Tokens that no service may accept as an access token, each with a name; more than a hundred and twenty
/// (Q-A4, RFC 8725). All are visible ASCII, so each can stand in an `Authorization` header; two are larger
/// than what an HTTP server reads, which may answer 400 or 431 instead of 401.
#[must_use]
pub fn bad_tokens(issuer: &TestIssuer) -> Vec<(&'static str, String)> {
    let mut list = bad_headers::list(issuer);
    list.extend(bad_claims::list(issuer));
    list.extend(bad_forms::list(issuer));
    list
}

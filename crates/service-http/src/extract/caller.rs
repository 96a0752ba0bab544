//! The person behind an access token.

use std::{ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use common_types::AccessClaims;
use futures_util::future::LocalBoxFuture;
use service_auth::AuthError;

use super::admission;
use crate::{error::ApiError, stack::Stack, text::Text};

/// Anyone with a valid access token.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<AccessClaims>);

/// As [`Caller`], for routes where a revoked session would do harm (money, consent, credentials):
/// refuses with 503 while the state of revocations is unknown for more than 30 seconds.
#[derive(Clone, Debug)]
pub struct SensitiveCaller(pub Arc<AccessClaims>);

/// As [`SensitiveCaller`], and the person proved themselves within the last five minutes (Q-A8): 403
/// `auth.step_up_required` sends others to `/api/auth/step-up/`.
#[derive(Clone, Debug)]
pub struct SteppedUp(pub Arc<AccessClaims>);

/// A caller, or nobody when no `Authorization` header was sent; a bad token is still refused.
#[derive(Clone, Debug)]
pub struct MaybeCaller(pub Option<Caller>);

impl Deref for Caller {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl Deref for SensitiveCaller {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        admission(request, |request| async move {
            let token = bearer(&request).ok_or_else(ApiError::credentials_missing)?;
            let stack = Stack::of(&request)?;
            stack
                .verifier
                .verify_access(&token)
                .await
                .map(Self)
                .map_err(refusal)
        })
    }
}

impl FromRequest for SensitiveCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            Stack::of(&request)?.require_fresh_revocations()?;
            Ok(Self(caller.0))
        })
    }
}

impl Deref for SteppedUp {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl FromRequest for SteppedUp {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = SensitiveCaller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            let now = Stack::of(&request)?.clock.now().timestamp();
            if caller.is_stepped_up(now) {
                Ok(Self(caller.0))
            } else {
                Err(ApiError::step_up_required())
            }
        })
    }
}

impl FromRequest for MaybeCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return Box::pin(async { Ok(Self(None)) });
        }
        let caller = Caller::from_request(request, payload);
        Box::pin(async move { caller.await.map(|caller| Self(Some(caller))) })
    }
}

/// The token of `Authorization: Bearer …`, when exactly one such header was sent.
pub fn bearer(request: &HttpRequest) -> Option<String> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

/// 401 in the words of today's clients, or 503 when nothing can be said about the token.
pub(crate) fn refusal(error: AuthError) -> ApiError {
    if error.is_unavailable() {
        return ApiError::unavailable(
            error.code(),
            Text::i18n(
                "اکنون نمی‌توان هویت را بررسی کرد.",
                "L'identité ne peut être vérifiée pour le moment.",
                "Identity cannot be checked at the moment.",
            ),
        )
        .retry_after(2);
    }
    ApiError::token_invalid()
}

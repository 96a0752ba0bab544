//! Machines: other services of the platform, and partners with an API key.

use std::{ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common_types::ServiceClaims;
use futures_util::future::LocalBoxFuture;
use service_auth::ApiKey;

use super::{
    admission,
    caller::{bearer, refusal},
};
use crate::{error::ApiError, stack::Stack};

/// Another service of the platform, proved by a token of audience `internal`. Every `/internal/**`
/// handler takes it.
#[derive(Clone, Debug)]
pub struct ServiceCaller(pub Arc<ServiceClaims>);

/// A partner system with an active API key, in `Authorization: Bearer` or `X-API-Key`.
#[derive(Clone, Debug)]
pub struct ApiKeyCaller(pub Arc<ApiKey>);

/// Either of the two; people's tokens are refused.
#[derive(Clone, Debug)]
pub enum MachineCaller {
    /// A service of the platform.
    Service(Arc<ServiceClaims>),
    /// A partner system.
    Partner(Arc<ApiKey>),
}

impl ServiceCaller {
    /// 403 unless the token has this scope.
    ///
    /// # Errors
    /// The 403.
    pub fn require_scope(&self, scope: &str) -> Result<(), ApiError> {
        if self.0.has_scope(scope) {
            Ok(())
        } else {
            Err(ApiError::permission_denied())
        }
    }
}

impl Deref for ServiceCaller {
    type Target = ServiceClaims;

    fn deref(&self) -> &ServiceClaims {
        &self.0
    }
}

impl Deref for ApiKeyCaller {
    type Target = ApiKey;

    fn deref(&self) -> &ApiKey {
        &self.0
    }
}

impl MachineCaller {
    /// Name for the audit row: `service:portal` or `api_key:<id>`.
    pub fn name(&self) -> String {
        match self {
            Self::Service(claims) => claims.sub.clone(),
            Self::Partner(key) => format!("api_key:{}", key.id),
        }
    }
}

impl FromRequest for ServiceCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        admission(request, |request| async move {
            let token = bearer(&request).ok_or_else(ApiError::credentials_missing)?;
            let stack = Stack::of(&request)?;
            stack
                .verifier
                .verify_service(&token)
                .await
                .map(Self)
                .map_err(refusal)
        })
    }
}

impl FromRequest for ApiKeyCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        admission(request, |request| async move {
            let key = api_key(&request).ok_or_else(ApiError::credentials_missing)?;
            introspect(Stack::of(&request)?, &key).await.map(Self)
        })
    }
}

impl FromRequest for MachineCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        admission(request, |request| async move {
            let key = api_key(&request).ok_or_else(ApiError::credentials_missing)?;
            let stack = Stack::of(&request)?;
            if looks_like_jwt(&key) {
                stack
                    .verifier
                    .verify_service(&key)
                    .await
                    .map(Self::Service)
                    .map_err(refusal)
            } else {
                introspect(stack, &key).await.map(Self::Partner)
            }
        })
    }
}

async fn introspect(stack: &Stack, key: &str) -> Result<Arc<ApiKey>, ApiError> {
    match stack.api_keys.introspect(key).await {
        Ok(Some(info)) => Ok(info),
        Ok(None) => Err(ApiError::token_invalid()),
        Err(cause) => Err(ApiError::unavailable(
            "auth.introspection_unavailable",
            "API keys cannot be checked at the moment.",
        )
        .retry_after(2)
        .caused_by(anyhow::Error::new(cause))),
    }
}

fn api_key(request: &HttpRequest) -> Option<String> {
    let header = request
        .headers()
        .get("x-api-key")
        .and_then(|value| value.to_str().ok());
    match header {
        Some(key) if !key.trim().is_empty() => Some(key.trim().to_owned()),
        _ => bearer(request),
    }
}

/// Three parts between dots, the first a JSON object in base64url: no API key looks like that.
fn looks_like_jwt(text: &str) -> bool {
    text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

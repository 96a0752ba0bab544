//! A patient's portal session.

use std::{ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common_types::PortalClaims;
use futures_util::future::LocalBoxFuture;

use super::{
    admission,
    caller::{bearer, refusal},
    cookie, origin,
};
use crate::{error::ApiError, stack::Stack};

/// Name of the portal's session cookie.
pub const PORTAL_COOKIE: &str = "tabib_portal";

/// A patient with a portal session, from `Authorization: Bearer` or the cookie; with the cookie an
/// unsafe method also needs an `Origin` of ours (decision 7). The idle timeout lives in portal's row
/// and is portal's to check.
#[derive(Clone, Debug)]
pub struct PortalCaller(pub Arc<PortalClaims>);

impl Deref for PortalCaller {
    type Target = PortalClaims;

    fn deref(&self) -> &PortalClaims {
        &self.0
    }
}

impl FromRequest for PortalCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        admission(request, |request| async move {
            let stack = Stack::of(&request)?;
            let token = match bearer(&request) {
                Some(token) => token,
                None => {
                    let token = cookie(&request, PORTAL_COOKIE)
                        .ok_or_else(ApiError::credentials_missing)?;
                    if !request.method().is_safe() && !origin::from_our_pages(&request, stack) {
                        return Err(ApiError::forbidden(
                            "auth.origin",
                            "Cross-origin request refused.",
                        ));
                    }
                    token
                }
            };
            stack
                .verifier
                .verify_portal(&token)
                .await
                .map(Self)
                .map_err(refusal)
        })
    }
}

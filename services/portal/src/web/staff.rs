//! Who may call: the role matrix of cimef.md 2.8, checked before the work.

use std::{marker::PhantomData, ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common_types::{AccessClaims, ClinicRole};
use futures_util::future::LocalBoxFuture;
use service_http::{ApiError, Caller, SensitiveCaller};
use uuid::Uuid;

use super::{Who, login_required, no_role};

/// One thing staff may do, with the roles that may.
pub(crate) trait Action: 'static {
    /// Name in audit rows, such as `invoices.create`.
    const NAME: &'static str;
    /// The roles; a superuser may everything.
    const ROLES: &'static [ClinicRole];
    /// Refused while the state of revocations is unknown.
    const SENSITIVE: bool = false;
}

/// A member of the clinic's staff who may do `A`, with the organisation that every query filters by.
pub(crate) struct Staff<A> {
    claims: Arc<AccessClaims>,
    organization: Uuid,
    who: Who,
    action: PhantomData<fn() -> A>,
}

impl<A> Staff<A> {
    /// The organisation of the token.
    pub(crate) fn organization(&self) -> Uuid {
        self.organization
    }

    /// For audit rows.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Admins and superusers; `keys.reprint` and the like.
    pub(crate) fn is_admin(&self) -> bool {
        self.claims.superuser || self.claims.clinic_role == Some(ClinicRole::Admin)
    }

    /// Whether the caller has this role (not as superuser).
    pub(crate) fn has_role(&self, role: ClinicRole) -> bool {
        !self.claims.superuser && self.claims.clinic_role == Some(role)
    }
}

impl<A> Deref for Staff<A> {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.claims
    }
}

impl<A: Action> FromRequest for Staff<A> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let claims: LocalBoxFuture<'static, Result<Arc<AccessClaims>, ApiError>> = if A::SENSITIVE {
            let caller = SensitiveCaller::from_request(request, payload);
            Box::pin(async move { caller.await.map(|caller| caller.0) })
        } else {
            let caller = Caller::from_request(request, payload);
            Box::pin(async move { caller.await.map(|caller| caller.0) })
        };
        let request = request.clone();
        Box::pin(async move {
            let claims = claims.await.map_err(|error| {
                if error.code() == "auth.credentials_missing" {
                    login_required()
                } else {
                    error
                }
            })?;
            let role_allows = claims
                .clinic_role
                .is_some_and(|role| A::ROLES.contains(&role));
            let Some(organization) = claims.org.filter(|_| claims.superuser || role_allows) else {
                tracing::info!(action = A::NAME, "refused");
                return Err(no_role());
            };
            let who = Who::staff(&request, &claims, organization);
            Ok(Self {
                claims,
                organization,
                who,
                action: PhantomData,
            })
        })
    }
}

//! `Allowed<P>`: a caller who may do what `P` names.

use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use common_types::{AccessClaims, ClinicRole};
use futures_util::future::LocalBoxFuture;

use super::{Caller, SensitiveCaller};
use crate::error::ApiError;

/// Who may do something, decided from the access token alone.
pub trait Permission: 'static {
    /// Name for documents and logs, such as `invoices.create`.
    const NAME: &'static str;
    /// Routes where a revoked session would do harm refuse while revocations are unknown.
    const SENSITIVE: bool = false;

    /// Whether the caller may.
    fn allows(claims: &AccessClaims) -> bool;
}

/// A caller with permission `P`; anyone else gets 403 in the form of Django REST Framework.
pub struct Allowed<P> {
    claims: Arc<AccessClaims>,
    permission: PhantomData<fn() -> P>,
}

impl<P> Allowed<P> {
    /// The claims, shared.
    pub fn claims(&self) -> Arc<AccessClaims> {
        Arc::clone(&self.claims)
    }
}

impl<P> Clone for Allowed<P> {
    fn clone(&self) -> Self {
        Self {
            claims: Arc::clone(&self.claims),
            permission: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Allowed<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Allowed")
            .field(&self.claims)
            .finish()
    }
}

impl<P> Deref for Allowed<P> {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.claims
    }
}

impl<P: Permission> FromRequest for Allowed<P> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let claims: LocalBoxFuture<'static, Result<Arc<AccessClaims>, ApiError>> = if P::SENSITIVE {
            let caller = SensitiveCaller::from_request(request, payload);
            Box::pin(async move { caller.await.map(|caller| caller.0) })
        } else {
            let caller = Caller::from_request(request, payload);
            Box::pin(async move { caller.await.map(|caller| caller.0) })
        };
        Box::pin(async move {
            let claims = claims.await?;
            if P::allows(&claims) {
                Ok(Self {
                    claims,
                    permission: PhantomData,
                })
            } else {
                tracing::info!(permission = P::NAME, "refused");
                Err(ApiError::permission_denied())
            }
        })
    }
}

/// Declares permission types: `permission!(pub CreateInvoice, "invoices.create", |c| …)`.
#[macro_export]
macro_rules! permission {
    ($(#[$meta:meta])* $vis:vis $name:ident, $text:literal, |$claims:ident| $rule:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;
        impl $crate::Permission for $name {
            const NAME: &'static str = $text;
            fn allows($claims: &$crate::AccessClaims) -> bool {
                $rule
            }
        }
    };
}

permission!(
    /// A member of any organisation, in whatever role.
    pub OrganizationMember, "organization.member",
    |claims| claims.org.is_some() || claims.superuser
);
permission!(
    /// Staff of a clinic: any clinic role in the token's organisation.
    pub ClinicStaff, "clinic.staff",
    |claims| claims.superuser || (claims.org.is_some() && claims.clinic_role.is_some())
);
permission!(
    /// A doctor of the token's organisation (approved by its admin; a superuser is not a doctor).
    pub Doctor, "clinic.doctor",
    |claims| claims.org.is_some() && claims.clinic_role == Some(ClinicRole::Doctor)
);
permission!(
    /// An admin of the token's organisation.
    pub ClinicAdmin, "clinic.admin",
    |claims| claims.superuser || (claims.org.is_some() && claims.clinic_role == Some(ClinicRole::Admin))
);
permission!(
    /// Those who handle money: admins and accountants.
    pub MoneyStaff, "clinic.money",
    |claims| claims.superuser
        || (claims.org.is_some()
            && matches!(claims.clinic_role, Some(ClinicRole::Admin | ClinicRole::Accountant)))
);
permission!(
    /// Anyone with a content role in the token's organisation.
    pub ContentMember, "content.member",
    |claims| claims.superuser || (claims.org.is_some() && claims.content_role.is_some())
);
permission!(
    /// Platform-wide superuser.
    pub Superuser, "platform.superuser",
    |claims| claims.superuser
);

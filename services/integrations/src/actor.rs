//! Who manages webhooks in both directions: an organisation's admin, or a superuser for the platform.

use std::{net::IpAddr, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use common_types::AccessClaims;
use futures_util::future::LocalBoxFuture;
use service_audit::{ActorKind, AuditEntry};
use service_http::{Allowed, ApiError, ClinicAdmin, extract::client_ip};
use uuid::Uuid;

/// An admin at work, with the address that the audit keeps.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) claims: Arc<AccessClaims>,
    pub(crate) ip: IpAddr,
}

impl Actor {
    /// The organisation whose endpoints are managed; `None`: a superuser manages all, and new ones are the platform's.
    pub(crate) fn organization(&self) -> Option<Uuid> {
        self.claims.org.filter(|_| !self.claims.superuser)
    }

    /// The audit row of something that this admin did in an organisation, or on the platform.
    pub(crate) fn audit(
        &self,
        action: &'static str,
        organization: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> AuditEntry {
        AuditEntry::new(self.claims.sub, ActorKind::User, action, now)
            .organization(organization)
            .origin(Some(self.ip), None)
    }
}

impl FromRequest for Actor {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let ip = client_ip(request);
        let admin = Allowed::<ClinicAdmin>::from_request(request, payload);
        Box::pin(async move {
            let claims = admin.await?.claims();
            Ok(Self { claims, ip })
        })
    }
}

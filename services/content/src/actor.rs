//! Who acts: the caller with the organisation all queries are bound to, and what the trail records of the request.

use std::{marker::PhantomData, net::IpAddr, ops::Deref};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use common_types::ContentRole;
use futures_util::future::LocalBoxFuture;
use service_http::{Allowed, ApiError, Permission, extract::client_ip};
use uuid::Uuid;

/// A caller of the workshop.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) user_id: Uuid,
    pub(crate) user_number: i64,
    pub(crate) name: String,
    /// Every query is bound to it.
    pub(crate) organization_id: Uuid,
    role: Option<ContentRole>,
    superuser: bool,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: String,
    pub(crate) request_id: Option<String>,
}

impl Actor {
    /// The person on whose behalf a job works; a job has no role of its own.
    pub(crate) fn of_job(user_id: Uuid, organization_id: Uuid) -> Self {
        Self {
            user_id,
            user_number: 0,
            name: String::new(),
            organization_id,
            role: None,
            superuser: false,
            ip: None,
            user_agent: String::new(),
            request_id: None,
        }
    }

    /// Admins and editors; everyone else is bound to own things.
    pub(crate) fn is_editor(&self) -> bool {
        self.superuser || matches!(self.role, Some(ContentRole::Admin | ContentRole::Editor))
    }
}

impl std::fmt::Debug for Actor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Actor")
            .field("user_id", &self.user_id)
            .field("organization_id", &self.organization_id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// An [`Actor`] who has permission `P`.
#[derive(Clone, Debug)]
pub(crate) struct Member<P> {
    actor: Actor,
    permission: PhantomData<fn() -> P>,
}

impl<P> Deref for Member<P> {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

impl<P: Permission> FromRequest for Member<P> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let allowed = Allowed::<P>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let claims = allowed.await?;
            let organization_id = claims.org.ok_or_else(ApiError::permission_denied)?;
            let user_agent = request
                .headers()
                .get(header::USER_AGENT)
                .and_then(|value| value.to_str().ok());
            let actor = Actor {
                user_id: claims.sub,
                user_number: claims.user_number(),
                name: claims.name.clone(),
                organization_id,
                role: claims.content_role,
                superuser: claims.superuser,
                ip: Some(client_ip(&request)),
                user_agent: user_agent.unwrap_or_default().chars().take(500).collect(),
                request_id: service_telemetry::current_request_id(),
            };
            Ok(Self {
                actor,
                permission: PhantomData,
            })
        })
    }
}

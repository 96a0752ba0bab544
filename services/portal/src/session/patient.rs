//! The patient behind a request: a valid token whose session's row is alive and not idle for too long.

use std::{ops::Deref, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use chrono::TimeDelta;
use common_types::PortalClaims;
use futures_util::future::LocalBoxFuture;
use service_http::{ApiError, Stack};
use uuid::Uuid;

use super::{SessionError, store};
use crate::{state::AppState, web::Who};

/// The row is written at most this often per session.
const TOUCH_SECONDS: i64 = 10;

/// A patient with a live session.
pub(crate) struct PatientSession {
    claims: Arc<PortalClaims>,
    who: Who,
}

impl PatientSession {
    pub(crate) fn patient(&self) -> Uuid {
        self.claims.sub
    }

    pub(crate) fn organization(&self) -> Uuid {
        self.claims.org
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }
}

impl Deref for PatientSession {
    type Target = PortalClaims;

    fn deref(&self) -> &PortalClaims {
        &self.claims
    }
}

/// The portal token: from the Authorization header, else from the cookie. Staff tokens and stale ones in the header are ignored,
/// because CIMEF's client sends whatever it finds (cimef.md flag 1).
async fn claims(request: &HttpRequest, stack: &Stack) -> Result<Arc<PortalClaims>, ApiError> {
    if let Some(token) = service_http::extract::bearer(request)
        && let Ok(claims) = stack.verifier.verify_portal(&token).await
    {
        return Ok(claims);
    }
    let token = service_http::extract::cookie(request, service_http::extract::PORTAL_COOKIE)
        .ok_or(SessionError::Ended)?;
    if !request.method().is_safe() && !service_http::extract::origin::from_our_pages(request, stack)
    {
        return Err(ApiError::forbidden(
            "auth.origin",
            "Requête d'une autre origine refusée.",
        ));
    }
    match stack.verifier.verify_portal(&token).await {
        Ok(claims) => Ok(claims),
        Err(error) if error.is_unavailable() => Err(ApiError::unavailable(
            error.code(),
            "Service momentanément indisponible.",
        )
        .retry_after(2)),
        Err(_) => Err(SessionError::Ended.into()),
    }
}

impl FromRequest for PatientSession {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        service_http::extract::admission(request, |request| async move {
            let state = request
                .app_data::<web::Data<AppState>>()
                .cloned()
                .ok_or_else(|| ApiError::internal(anyhow::anyhow!("no state in the app's data")))?;
            state.keys.get().await.map_err(SessionError::Unexpected)?;
            let claims = claims(&request, Stack::of(&request)?).await?;
            let now = state.now();
            let mut conn = state.db.get().await?;
            let seen = store::find_live_session(&mut conn, claims.org, claims.sid, claims.sub, now)
                .await?
                .ok_or(SessionError::Ended)?;
            if now - seen > TimeDelta::minutes(i64::from(state.settings.portal.idle_minutes)) {
                return Err(SessionError::Ended.into());
            }
            if now - seen >= TimeDelta::seconds(TOUCH_SECONDS) {
                store::touch_session(&mut conn, claims.sid, now).await?;
            }
            let who = Who::patient(&request, &claims);
            Ok(Self { claims, who })
        })
    }
}

//! Who may use `/v1`: a partner's key with the scope `ai.use`, or a member of an organisation.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use service_http::{Allowed, ApiError, ApiKeyCaller, OrganizationMember, extract};
use uuid::Uuid;

use super::error;
use crate::ai::call::Bill;

/// The scope that a key needs.
const SCOPE: &str = "ai.use";

/// A caller with the organisation that pays.
#[derive(Clone, Debug)]
pub(crate) struct AiCaller {
    owner: String,
    organization: Uuid,
    user: Option<Uuid>,
}

impl AiCaller {
    /// The organisation whose credentials and limits count.
    pub(crate) fn organization(&self) -> Uuid {
        self.organization
    }

    /// A new call of this caller.
    pub(crate) fn bill(&self, purpose: &str) -> Bill {
        let mut bill = Bill::new(self.owner.clone(), purpose, self.organization);
        bill.user_id = self.user;
        bill
    }
}

/// Three parts between dots, the first a JSON object in base64url: no key looks like that.
fn is_token(text: &str) -> bool {
    text.starts_with("ey") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl FromRequest for AiCaller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if extract::bearer(request).is_some_and(|token| is_token(&token)) {
            let member = Allowed::<OrganizationMember>::from_request(request, payload);
            return Box::pin(async move {
                let member = member.await.map_err(|error| error::of_caller(&error))?;
                let organization = member.org.ok_or_else(error::no_organization)?;
                Ok(Self {
                    owner: format!("user:{}", member.sub),
                    organization,
                    user: Some(member.sub),
                })
            });
        }
        let key = ApiKeyCaller::from_request(request, payload);
        Box::pin(async move {
            let key = key.await.map_err(|error| error::of_caller(&error))?;
            if !key.has_scope(SCOPE) {
                return Err(error::no_scope());
            }
            Ok(Self {
                owner: format!("api_key:{}", key.id),
                organization: key.organization_id.ok_or_else(error::no_organization)?,
                user: None,
            })
        })
    }
}

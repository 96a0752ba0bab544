//! The first check of who calls. Structure, signature, lifetime and revocation only; the service checks again and
//! decides the permission.

use std::sync::Arc;

use actix_http::{HttpMessage as _, Request as ClientRequest};
use actix_web::http::header::{self, HeaderMap};
use common_types::claims::{AccessClaims, PortalClaims};
use service_auth::{AuthError, Verifier};

use crate::refusal::Refusal;
use crate::routes::{CallerKind, Route};

/// The cookie of a portal session.
const PORTAL_COOKIE: &str = "tabib_portal";

/// Who was recognised.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Nobody, on a public route.
    Anonymous,
    /// A person.
    User(Arc<AccessClaims>),
    /// A patient.
    Patient(Arc<PortalClaims>),
    /// Somebody with an API key; the bytes identify it for limits only.
    Key(String),
}

impl Caller {
    /// What limits by caller count.
    pub fn subject(&self) -> Option<&[u8]> {
        match self {
            Self::Anonymous => None,
            Self::User(claims) => Some(claims.sub.as_bytes()),
            Self::Patient(claims) => Some(claims.sub.as_bytes()),
            Self::Key(key) => Some(key.as_bytes()),
        }
    }

    /// What limits by organisation count.
    pub fn organization(&self) -> Option<&[u8]> {
        match self {
            Self::User(claims) => claims.org.as_ref().map(|id| id.as_bytes().as_slice()),
            Self::Patient(claims) => Some(claims.org.as_bytes()),
            Self::Anonymous | Self::Key(_) => None,
        }
    }
}

/// The outcome for a request that may go on.
#[derive(Debug)]
pub struct Admitted {
    /// Who.
    pub caller: Caller,
    /// The value of `Authorization` that the service gets instead of the client's.
    pub authorization: Authorization,
}

/// What happens to the client's `Authorization` header.
#[derive(Debug, PartialEq, Eq)]
pub enum Authorization {
    /// It goes on as it is.
    Keep,
    /// It is removed: stale on a public route, or beside a portal cookie that counts.
    Remove,
    /// It is written anew (`JWT x` becomes `Bearer x`; a token from the query does not move here).
    Write(String),
}

/// A credential in `Authorization`.
enum Credential<'a> {
    None,
    /// A Bearer (or CIMEF's `JWT`) value; `true` when the scheme was spelt `Bearer`.
    Bearer(&'a str, bool),
    /// Another scheme: Basic of the token endpoint, a provider's own.
    Other,
}

fn credential(headers: &HeaderMap) -> Credential<'_> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Credential::None;
    };
    let Ok(text) = value.to_str() else {
        return Credential::Other;
    };
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Credential::Bearer(token.trim(), true)
        }
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("jwt") => {
            Credential::Bearer(token.trim(), false)
        }
        _ => Credential::Other,
    }
}

/// Whether a Bearer value looks like a token of ours rather than an opaque key.
fn looks_like_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2 && token.starts_with("ey")
}

/// Decides whether a request may go on.
///
/// # Errors
/// [`Refusal::NoCredentials`], [`Refusal::BadToken`], or [`Refusal::Unavailable`] while the keys cannot be fetched.
pub async fn admit(
    route: &Route,
    request: &ClientRequest,
    verifier: &Verifier,
) -> Result<Admitted, Refusal> {
    if route.is_public() {
        return Ok(public(request, verifier).await);
    }
    let from_query = route
        .token_query
        .as_deref()
        .and_then(|name| query_value(request.uri().query().unwrap_or_default(), name));
    let credential = credential(request.headers());
    let (bearer, standard) = match (&from_query, &credential) {
        (Some(token), _) => (Some(token.as_str()), true),
        (None, Credential::Bearer(token, standard)) => (Some(*token), *standard),
        (None, _) => (None, true),
    };
    let mut worst = None;
    if let Some(token) = bearer {
        match known(route, token, verifier).await {
            Ok(caller) => {
                let authorization = if from_query.is_none() && !standard {
                    Authorization::Write(format!("Bearer {token}"))
                } else {
                    Authorization::Keep
                };
                return Ok(Admitted {
                    caller,
                    authorization,
                });
            }
            Err(error) => worst = Some(error),
        }
    }
    if route.callers.contains(&CallerKind::Portal)
        && let Some(token) = cookie(request.headers(), PORTAL_COOKIE)
    {
        match verifier.verify_portal(&token).await {
            Ok(claims) => {
                // A stale staff Bearer beside a good cookie must not spoil it (cimef.md ⚑1).
                let authorization = if bearer.is_some() {
                    Authorization::Remove
                } else {
                    Authorization::Keep
                };
                return Ok(Admitted {
                    caller: Caller::Patient(claims),
                    authorization,
                });
            }
            Err(error) => worst = worst.or(Some(error)),
        }
    }
    if route.callers.contains(&CallerKind::ApiKey)
        && let Some(key) = request
            .headers()
            .get(&crate::headers::X_API_KEY)
            .and_then(|value| value.to_str().ok())
    {
        return Ok(Admitted {
            caller: Caller::Key(key.to_owned()),
            authorization: Authorization::Keep,
        });
    }
    if route.websocket && query_value(request.uri().query().unwrap_or_default(), "ticket").is_some()
    {
        // A single-use ticket: chat redeems it.
        return Ok(Admitted {
            caller: Caller::Anonymous,
            authorization: Authorization::Remove,
        });
    }
    Err(match worst {
        _ if route.websocket => Refusal::Forbidden("token_not_valid"),
        Some(error) if error.is_unavailable() => Refusal::Unavailable("signing keys", 2),
        Some(_) => Refusal::BadToken,
        None if matches!(credential, Credential::Other) => Refusal::BadToken,
        None => Refusal::NoCredentials,
    })
}

/// Who a Bearer value belongs to, among those that the route admits.
async fn known(route: &Route, token: &str, verifier: &Verifier) -> Result<Caller, AuthError> {
    let mut worst = AuthError::WrongKind;
    for kind in &route.callers {
        let outcome = match kind {
            CallerKind::User => verifier.verify_access(token).await.map(Caller::User),
            CallerKind::Portal => verifier.verify_portal(token).await.map(Caller::Patient),
            // A token of ours is no API key: this also keeps service tokens out.
            CallerKind::ApiKey if !token.is_empty() && !looks_like_jwt(token) => {
                Ok(Caller::Key(token.to_owned()))
            }
            CallerKind::ApiKey | CallerKind::Public => Err(AuthError::WrongKind),
        };
        match outcome {
            Ok(caller) => return Ok(caller),
            Err(error) if worst == AuthError::WrongKind || error.is_unavailable() => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

/// On a public route a token that does not verify is as good as none, so that it cannot spoil a log-in.
async fn public(request: &ClientRequest, verifier: &Verifier) -> Admitted {
    let anonymous = |authorization| Admitted {
        caller: Caller::Anonymous,
        authorization,
    };
    let Credential::Bearer(token, standard) = credential(request.headers()) else {
        return anonymous(Authorization::Keep);
    };
    if !looks_like_jwt(token) {
        return anonymous(Authorization::Keep);
    }
    let caller = match verifier.verify_access(token).await {
        Ok(claims) => Caller::User(claims),
        Err(_) => match verifier.verify_portal(token).await {
            Ok(claims) => Caller::Patient(claims),
            Err(_) => return anonymous(Authorization::Remove),
        },
    };
    let authorization = if standard {
        Authorization::Keep
    } else {
        Authorization::Write(format!("Bearer {token}"))
    };
    Admitted {
        caller,
        authorization,
    }
}

/// The first value of a query parameter that needs no decoding: tokens are base64url and dots.
fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name && !value.is_empty()).then(|| value.to_owned())
    })
}

/// A cookie that was sent exactly once; two of one name are a try to shadow ours.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        for pair in value.to_str().ok()?.split(';') {
            if let Some((key, value)) = pair.trim().split_once('=')
                && key == name
            {
                if found.is_some() {
                    return None;
                }
                found = Some(value.trim_matches('"').to_owned());
            }
        }
    }
    found
}

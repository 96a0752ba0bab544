//! Opening a session and minting its access tokens.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::AccessClaims;
use common_types::claims::ACCESS_AUDIENCE;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use futures_util::future::{Ready, ready};
use service_auth::KeySet;
use service_http::extract::client_ip;
use uuid::Uuid;

use super::agent;
use super::store::{self, NewSession};
use super::token::{self, RefreshToken};
use crate::settings::Settings;
use crate::state::AppState;
use crate::user::{Standing, User, store as users};

/// How a session's refresh token behaves (wire.md 9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A new refresh token at each use; 7 days.
    Rotating,
    /// The same refresh token throughout, bound to the user agent's family; 24 hours.
    Stable,
}

impl SessionKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rotating => "rotating",
            Self::Stable => "stable",
        }
    }
}

/// From where a request comes.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address.
    pub ip: IpAddr,
    /// The `User-Agent`, cut.
    pub user_agent: String,
}

impl FromRequest for Origin {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let agent = request
            .headers()
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        ready(Ok(Self {
            ip: client_ip(request),
            user_agent: agent::stored(agent.unwrap_or_default()),
        }))
    }
}

/// A login that succeeded.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Who.
    pub user: &'a User,
    /// How the refresh token behaves.
    pub kind: SessionKind,
    /// The group tag asked for.
    pub group: i32,
    /// From where.
    pub origin: &'a Origin,
}

/// Both tokens of a new session.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The session.
    pub session_id: Uuid,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// Where the user stands by default.
    pub standing: Option<Standing>,
}

/// Opens a session in the caller's transaction: row, last login, both tokens.
///
/// # Errors
/// Database failures; a token that cannot be signed.
pub async fn open(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    keys: &KeySet,
    opening: &Opening<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<Opened> {
    let tokens = &state.settings.tokens;
    let standing = users::list_standings(conn, opening.user.id)
        .await?
        .into_iter()
        .next();
    let first = RefreshToken {
        family: Uuid::now_v7(),
        generation: 0,
    };
    let refresh = first.write(tokens.refresh_key.expose().as_bytes());
    let lifetime = match opening.kind {
        SessionKind::Rotating => tokens.refresh_lifetime_seconds,
        SessionKind::Stable => tokens.stable_lifetime_seconds,
    };
    let session = NewSession {
        id: first.family,
        user_id: opening.user.id,
        kind: opening.kind.as_str().to_owned(),
        organization_id: standing.as_ref().map(|standing| standing.organization_id),
        group_number: opening.group,
        generation: 0,
        token_hash: token::hash(&refresh),
        rotated_at: now,
        user_agent: opening.origin.user_agent.clone(),
        ip_address: opening.origin.ip.to_string(),
        device: agent::device(&opening.origin.user_agent),
        browser: agent::browser(&opening.origin.user_agent),
        created_at: now,
        last_seen_at: now,
        expires_at: now + TimeDelta::seconds(lifetime),
    };
    store::insert_session(conn, &session).await?;
    users::update_last_login(conn, opening.user.id, now).await?;
    let claims = claims(
        &state.settings,
        opening.user,
        standing.as_ref(),
        first.family,
        opening.group,
        now,
    );
    let access = keys.signer().sign_access(&claims)?;
    Ok(Opened {
        session_id: first.family,
        access,
        refresh,
        standing,
    })
}

/// The claims of an access token issued now.
pub(super) fn claims(
    settings: &Settings,
    user: &User,
    standing: Option<&Standing>,
    session: Uuid,
    group: i32,
    now: DateTime<Utc>,
) -> AccessClaims {
    // A role change ends the tokens of its own second too, so the first new one is dated a second later; verifiers
    // allow more than that between clocks.
    let issued = now.timestamp().max(user.tokens_not_before);
    AccessClaims {
        iss: settings.auth.issuer.clone(),
        aud: ACCESS_AUDIENCE.to_owned(),
        sub: user.id,
        exp: issued + settings.tokens.access_lifetime_seconds,
        iat: issued,
        nbf: issued,
        jti: Uuid::now_v7(),
        sid: session,
        token_type: "access".to_owned(),
        user_id: user.number.to_string(),
        org: standing.map(|standing| standing.organization_id),
        clinic_role: standing.and_then(|standing| standing.clinic_role),
        content_role: standing.and_then(|standing| standing.content_role),
        superuser: user.is_superuser,
        group,
        lang: user.language,
        name: user.display_name(),
    }
}

/// The standing a session works in: its own organisation while the user belongs there, else the first one.
pub(super) async fn standing_of(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    organization: Option<Uuid>,
) -> QueryResult<Option<Standing>> {
    let standings = users::list_standings(conn, user).await?;
    let own = standings
        .iter()
        .position(|standing| Some(standing.organization_id) == organization);
    Ok(standings.into_iter().nth(own.unwrap_or(0)))
}

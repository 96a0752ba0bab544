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

use super::carrier::Carrier;
use super::store::{self, NewSession, SessionRow};
use super::token::{self, RefreshToken};
use super::{agent, device};
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
    /// The kind as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rotating => "rotating",
            Self::Stable => "stable",
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        if word == "stable" {
            Self::Stable
        } else {
            Self::Rotating
        }
    }
}

/// What opened a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// A one-time code to the phone.
    Code,
    /// A password.
    Password,
    /// A code that an admin made.
    Recovery,
}

impl OpenedBy {
    /// The word as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Password => "password",
            Self::Recovery => "recovery",
        }
    }

    /// What a stored word says.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "password" => Self::Password,
            "recovery" => Self::Recovery,
            _ => Self::Code,
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
    /// Where the refresh token travels.
    pub carrier: Carrier,
    /// What proved the person.
    pub opened_by: OpenedBy,
    /// The second factor was proved too.
    pub second_factor: bool,
    /// The phone that a code proved.
    pub verified_phone: Option<&'a str>,
    /// Where the user stands, when that is known already.
    pub standings: Option<&'a [Standing]>,
}

impl Opening<'_> {
    /// A password alone is no fresh proof that a sensitive action could rest on.
    fn is_step_up(&self) -> bool {
        self.second_factor || self.opened_by != OpenedBy::Password
    }
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
    /// The session's absolute end.
    pub expires_at: DateTime<Utc>,
}

/// Opens a session in the caller's transaction: row, last login, both tokens. It works in that organisation while the
/// user belongs there, else in the first one.
///
/// # Errors
/// Database failures; a token that cannot be signed.
pub async fn open_in(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    keys: &KeySet,
    opening: &Opening<'_>,
    organization: Option<Uuid>,
    now: DateTime<Utc>,
) -> anyhow::Result<Opened> {
    let standing = match opening.standings {
        Some(standings) => chosen(standings, organization).cloned(),
        None => standing_of(conn, opening.user.id, organization).await?,
    };
    let draft = Draft::new(&state.settings, opening.kind, opening.origin, now);
    let session = NewSession {
        id: draft.id,
        user_id: opening.user.id,
        kind: opening.kind.as_str(),
        organization_id: standing.as_ref().map(|standing| standing.organization_id),
        group_number: opening.group,
        token_hash: draft.token_hash,
        user_agent: opening.origin.user_agent.clone(),
        ip_address: draft.ip_address,
        device: draft.seen.device,
        browser: draft.seen.browser,
        opened_at: now,
        expires_at: draft.expires_at,
        carrier: opening.carrier.as_str(),
        opened_by: opening.opened_by.as_str(),
        stepped_up_at: opening.is_step_up().then_some(now),
        second_factor_at: opening.second_factor.then_some(now),
        verified_phone: opening.verified_phone.map(str::to_owned),
        fingerprint: draft.seen.fingerprint,
    };
    if store::insert_session(conn, &session).await? {
        device::tell(conn, opening.user, &session, now).await?;
    }
    let claims = claims(
        &state.settings,
        opening.user,
        standing.as_ref(),
        &Proved::of_new(&session),
        now,
    );
    let access = keys.signer().sign_access(&claims)?;
    Ok(Opened {
        session_id: draft.id,
        access,
        refresh: draft.refresh,
        standing,
        expires_at: session.expires_at,
    })
}

/// What of a new session is known before its owner is.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: Uuid,
    /// The first refresh token.
    pub(crate) refresh: String,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) ip_address: String,
    pub(crate) seen: agent::Seen,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Draft {
    pub(crate) fn new(
        settings: &Settings,
        kind: SessionKind,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Self {
        let tokens = &settings.tokens;
        let first = RefreshToken {
            family: Uuid::now_v7(),
            generation: 0,
        };
        let refresh = first.write(tokens.refresh_key.expose().as_bytes());
        let lifetime = match kind {
            SessionKind::Rotating => tokens.refresh_lifetime_seconds,
            SessionKind::Stable => tokens.stable_lifetime_seconds,
        };
        Self {
            id: first.family,
            token_hash: token::hash(&refresh),
            refresh,
            ip_address: origin.ip.to_string(),
            seen: agent::Seen::of(&origin.user_agent),
            expires_at: now + TimeDelta::seconds(lifetime),
        }
    }

    /// The tokens of the session, stored now for somebody whose code was right.
    ///
    /// # Errors
    /// A token that cannot be signed.
    pub(crate) fn opened(
        self,
        settings: &Settings,
        keys: &KeySet,
        user: &User,
        standing: Option<Standing>,
        group: i32,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Opened> {
        let proved = Proved {
            session: self.id,
            group,
            stepped_up_at: Some(now),
            second_factor: false,
        };
        let claims = claims(settings, user, standing.as_ref(), &proved, now);
        Ok(Opened {
            session_id: self.id,
            access: keys.signer().sign_access(&claims)?,
            refresh: self.refresh,
            standing,
            expires_at: self.expires_at,
        })
    }
}

/// What a session says in its access tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proved {
    session: Uuid,
    group: i32,
    stepped_up_at: Option<DateTime<Utc>>,
    second_factor: bool,
}

impl Proved {
    fn of_new(session: &NewSession) -> Self {
        Self {
            session: session.id,
            group: session.group_number,
            stepped_up_at: session.stepped_up_at,
            second_factor: session.second_factor_at.is_some(),
        }
    }

    /// Of a stored session.
    pub(super) fn of(session: &SessionRow) -> Self {
        Self {
            session: session.id,
            group: session.group_number,
            stepped_up_at: session.stepped_up_at,
            second_factor: session.second_factor_at.is_some(),
        }
    }
}

/// The claims of an access token issued now. Roles that need a second factor are in it only when the session has
/// proved one, so that no service has to ask.
pub(super) fn claims(
    settings: &Settings,
    user: &User,
    standing: Option<&Standing>,
    proved: &Proved,
    now: DateTime<Utc>,
) -> AccessClaims {
    let factor_due = !proved.second_factor && settings.needs_second_factor(user, standing);
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
        sid: proved.session,
        token_type: "access".to_owned(),
        user_id: user.number.to_string(),
        org: standing.map(|standing| standing.organization_id),
        clinic_role: standing
            .and_then(|standing| standing.clinic_role)
            .filter(|_| !factor_due),
        content_role: standing.and_then(|standing| standing.content_role),
        superuser: user.is_superuser && !factor_due,
        group: proved.group,
        lang: user.language,
        name: user.display_name(),
        stepped_up_at: proved.stepped_up_at.map(|at| at.timestamp()),
    }
}

/// The standing a session works in: its own organisation while the user belongs there, else the first one.
pub(super) async fn standing_of(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    organization: Option<Uuid>,
) -> QueryResult<Option<Standing>> {
    let standings = users::list_standings(conn, user).await?;
    Ok(chosen(&standings, organization).cloned())
}

fn chosen(standings: &[Standing], organization: Option<Uuid>) -> Option<&Standing> {
    standings
        .iter()
        .find(|standing| Some(standing.organization_id) == organization)
        .or_else(|| standings.first())
}

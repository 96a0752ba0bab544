//! What follows a right first factor: a session, or the question for the second factor.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry};
use service_auth::KeySet;
use service_http::{ApiError, Text};
use uuid::Uuid;

use crate::notification;
use crate::second_factor;
use crate::session::open::Origin;
use crate::session::{Carrier, Opened, OpenedBy, Opening, SessionKind, open_in};
use crate::state::AppState;
use crate::user::{Standing, User};

/// Somebody whose first factor was right.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Who.
    pub user: &'a User,
    /// How the refresh token will behave.
    pub kind: SessionKind,
    /// Where the refresh token will travel.
    pub carrier: Carrier,
    /// The group tag asked for.
    pub group: i32,
    /// The organisation to work in, when it is not the first one.
    pub organization: Option<Uuid>,
    /// The phone that a code proved.
    pub verified_phone: Option<&'a str>,
    /// What was right.
    pub opened_by: OpenedBy,
    /// From where.
    pub origin: &'a Origin,
    /// What the rows said of the person in this transaction; `None` to ask them.
    pub known: Option<Known<'a>>,
    /// Ids and reasons for the audit row.
    pub details: Value,
}

/// What is asked about everybody who comes in.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Whether an authenticator is bound.
    pub has_factor: bool,
    /// The living memberships, in their order.
    pub standings: &'a [Standing],
}

/// What a right first factor brings.
#[derive(Debug)]
pub enum Entered {
    /// A session.
    Open(Opened),
    /// The question for the second factor; no session yet.
    SecondFactor(Challenge),
}

/// A login that waits for its second factor.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// Names the login at `/api/auth/second-factor/verify/`; stored as a hash.
    pub token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
}

impl Challenge {
    /// 403 `auth.second_factor_required` with the contract's own members and, beside them, `challenge`, `expires_in`
    /// and `methods`. No client of today takes a 403 for an ended session, and each shows the text of its contract.
    #[must_use]
    pub fn refusal(&self, contract: Value) -> ApiError {
        ApiError::forbidden("auth.second_factor_required", Self::words())
            .contract(contract)
            .contract(json!({
                "challenge": self.token,
                "expires_in": self.expires_in,
                "methods": second_factor::METHODS,
            }))
    }

    /// What a person reads.
    #[must_use]
    pub fn words() -> Text {
        Text::i18n(
            "کد برنامهٔ احراز هویت خود را وارد کنید.",
            "Saisissez le code de votre application d'authentification.",
            "Enter the code of your authenticator application.",
        )
    }
}

/// Opens a session in the caller's transaction, with its audit row; or asks for the second factor of who has one.
///
/// # Errors
/// Database failures; a token that cannot be signed.
pub async fn enter(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    keys: &KeySet,
    entry: &Entry<'_>,
    now: DateTime<Utc>,
) -> anyhow::Result<Entered> {
    let has_factor = match entry.known {
        Some(known) => known.has_factor,
        None => second_factor::store::is_on(conn, entry.user.id).await?,
    };
    if has_factor {
        let lifetime = state.settings.second_factor.challenge_seconds;
        let token = second_factor::challenge_token();
        let challenge = second_factor::store::NewChallenge {
            id: Uuid::now_v7(),
            user_id: entry.user.id,
            token_hash: second_factor::challenge_hash(&token),
            kind: entry.kind.as_str().to_owned(),
            carrier: entry.carrier.as_str().to_owned(),
            opened_by: entry.opened_by.as_str().to_owned(),
            group_number: entry.group,
            organization_id: entry.organization,
            verified_phone: entry.verified_phone.map(str::to_owned),
            created_at: now,
            expires_at: now + TimeDelta::seconds(lifetime),
        };
        second_factor::store::insert_challenge(conn, &challenge).await?;
        return Ok(Entered::SecondFactor(Challenge {
            token,
            expires_in: lifetime,
        }));
    }
    open(conn, state, keys, entry, false, now)
        .await
        .map(Entered::Open)
}

/// Opens the session and writes its audit row; `second_factor` when that was proved too.
///
/// # Errors
/// Database failures; a token that cannot be signed.
pub(crate) async fn open(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    keys: &KeySet,
    entry: &Entry<'_>,
    second_factor: bool,
    now: DateTime<Utc>,
) -> anyhow::Result<Opened> {
    let opening = Opening {
        user: entry.user,
        kind: entry.kind,
        group: entry.group,
        origin: entry.origin,
        carrier: entry.carrier,
        opened_by: entry.opened_by,
        second_factor,
        verified_phone: entry.verified_phone,
        standings: entry.known.map(|known| known.standings),
    };
    let opened = open_in(conn, state, keys, &opening, entry.organization, now).await?;
    if entry.opened_by == OpenedBy::Password {
        let standing = opened.standing.as_ref();
        notification::note_login(conn, entry.user, standing, entry.origin.ip, now).await?;
    }
    let organization = opened.standing.as_ref();
    let audit = AuditEntry::new(entry.user.id, ActorKind::User, "auth.logged_in", now)
        .subject("user", entry.user.id)
        .organization(organization.map(|standing| standing.organization_id))
        .origin(
            Some(entry.origin.ip),
            service_telemetry::current_request_id(),
        )
        .details(entry.details.clone());
    service_audit::record(conn, audit).await?;
    Ok(opened)
}

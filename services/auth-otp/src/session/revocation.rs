//! What verifiers must stop honouring: written with the change, told by event, asked for by poll.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use common_types::clock::SharedClock;
use common_types::events::auth::{RevocationKind, SessionRevoked};
use common_types::internal::auth::{Revocation, RevocationFeed};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use service_auth::{InternalError, RevocationSource};
use service_db::Db;
use service_events::outbox;
use service_http::{ApiError, Query, ServiceCaller};
use uuid::Uuid;

use super::store;
use crate::SERVICE;
use crate::state::AppState;
use crate::user::store as users;

/// Revocations in one answer.
const PAGE: i64 = 1000;
/// A revocation outlives the access tokens by this much, in seconds: clocks differ.
const MARGIN_SECONDS: i64 = 120;

/// Ends one session in the caller's transaction; `None` when it was over already. Call [`announce`] after the commit.
///
/// # Errors
/// Database failures.
pub async fn end_session(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    session: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<Revocation>> {
    if !store::end_session(conn, session, reason, now).await? {
        return Ok(None);
    }
    write(
        conn,
        state,
        RevocationKind::Session,
        session,
        now.timestamp(),
        now,
    )
    .await
    .map(Some)
}

/// Ends every session of a user but one, in the caller's transaction.
///
/// # Errors
/// Database failures.
pub async fn end_sessions_of(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    user: Uuid,
    but: Option<Uuid>,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Revocation>> {
    // All rows first, the revocations' lock last: a refresh takes them in this order too.
    let mut ended = Vec::new();
    for session in store::list_living(conn, user, now).await? {
        if Some(session.id) != but && store::end_session(conn, session.id, reason, now).await? {
            ended.push(session.id);
        }
    }
    let mut revocations = Vec::with_capacity(ended.len());
    for session in ended {
        revocations.push(
            write(
                conn,
                state,
                RevocationKind::Session,
                session,
                now.timestamp(),
                now,
            )
            .await?,
        );
    }
    Ok(revocations)
}

/// Ends every session of a user but one, and lets the verifiers know.
///
/// # Errors
/// Database failures.
pub(crate) async fn end_others(
    state: &AppState,
    user: Uuid,
    keep: Option<Uuid>,
    reason: &str,
) -> Result<(), ApiError> {
    let now = state.now();
    let ended = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<Vec<Revocation>, ApiError> {
                Ok(end_sessions_of(conn, state, user, keep, reason, now).await?)
            },
        )
        .await?;
    announce(state, &ended);
    Ok(())
}

/// Ends a user's access tokens, not the sessions: the next refresh brings tokens with the roles of this moment.
///
/// # Errors
/// Database failures.
pub async fn end_tokens_of(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    user: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Revocation> {
    let not_before = now.timestamp() + 1;
    users::update_tokens_not_before(conn, user, not_before).await?;
    write(conn, state, RevocationKind::User, user, not_before, now).await
}

async fn write(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    kind: RevocationKind,
    id: Uuid,
    not_before: i64,
    now: DateTime<Utc>,
) -> QueryResult<Revocation> {
    let lifetime = state.settings.tokens.access_lifetime_seconds + MARGIN_SECONDS;
    let expires_at = now + TimeDelta::seconds(lifetime);
    let cursor =
        store::insert_revocation(conn, word(kind), id, not_before, now, expires_at).await?;
    let event = SessionRevoked {
        id,
        aggregate_version: cursor,
        kind,
        not_before,
        expires_at,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    Ok(Revocation {
        kind,
        id,
        not_before,
        expires_at,
    })
}

/// After the commit: this process stops honouring at once, the others are woken.
pub fn announce(state: &AppState, revocations: &[Revocation]) {
    for revocation in revocations {
        state.stack.verifier.revocations().apply(revocation);
    }
    if !revocations.is_empty() {
        state.stack.outbox.wake();
    }
}

fn word(kind: RevocationKind) -> &'static str {
    match kind {
        RevocationKind::Session => "session",
        RevocationKind::User => "user",
    }
}

async fn feed(
    conn: &mut AsyncPgConnection,
    since: i64,
    now: DateTime<Utc>,
) -> QueryResult<RevocationFeed> {
    let rows = store::list_revocations(conn, since, now, PAGE).await?;
    let cursor = rows.last().map_or(since, |row| row.0);
    let revocations = rows
        .into_iter()
        .map(|(_, kind, id, not_before, expires_at)| Revocation {
            kind: if kind == "user" {
                RevocationKind::User
            } else {
                RevocationKind::Session
            },
            id,
            not_before,
            expires_at,
        })
        .collect();
    Ok(RevocationFeed {
        cursor,
        revocations,
    })
}

/// This service asks its own table.
#[must_use]
pub fn own_source(db: Db, clock: SharedClock) -> RevocationSource {
    RevocationSource::from_fn(SERVICE, move |since| {
        let (db, clock) = (db.clone(), clock.clone());
        async move {
            let failed = |error: &dyn std::fmt::Display| InternalError::Answer(error.to_string());
            let mut conn = db.get().await.map_err(|error| failed(&error))?;
            feed(&mut conn, since, clock.now())
                .await
                .map_err(|error| failed(&error))
        }
    })
}

/// `?since=` of the last answer's cursor; 0 or nothing at the start.
#[derive(Debug, Deserialize)]
pub struct Since {
    /// The cursor.
    #[serde(default)]
    pub since: i64,
}

/// Living revocations after a cursor, a thousand at most.
#[utoipa::path(get, path = "/internal/revocations", tag = "internal", operation_id = "list_revocations",
    params(("since" = i64, Query, description = "The last cursor")),
    responses((status = 200, description = "`cursor` and `revocations`")))]
pub async fn list_revocations(
    state: web::Data<AppState>,
    _caller: ServiceCaller,
    query: Query<Since>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    Ok(HttpResponse::Ok().json(feed(&mut conn, query.since, state.now()).await?))
}

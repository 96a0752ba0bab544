//! Ended sessions as every verifier asks for them.

use chrono::{DateTime, Utc};
use common_types::{
    events::auth::RevocationKind,
    internal::auth::{Revocation, RevocationFeed},
};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use service_auth::{InternalError, RevocationSource};
use uuid::Uuid;

use crate::{schema::session_revocations, state::AppState};

const PAGE: i64 = 1_000;
/// Cursors are given out before their rows commit: asking again for the last few finds latecomers.
const OVERLAP: i64 = 50;

/// Revocations after `since`.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn feed(
    conn: &mut AsyncPgConnection,
    since: i64,
    now: DateTime<Utc>,
) -> QueryResult<RevocationFeed> {
    let rows: Vec<(i64, String, Uuid, i64, DateTime<Utc>)> = session_revocations::table
        .filter(session_revocations::cursor.gt((since - OVERLAP).max(0)))
        .filter(session_revocations::expires_at.gt(now))
        .order_by(session_revocations::cursor)
        .limit(PAGE)
        .select((
            session_revocations::cursor,
            session_revocations::kind,
            session_revocations::subject_id,
            session_revocations::not_before,
            session_revocations::expires_at,
        ))
        .load(conn)
        .await?;
    Ok(RevocationFeed {
        cursor: rows.last().map_or(since, |row| row.0.max(since)),
        revocations: rows
            .into_iter()
            .map(|(_, kind, id, not_before, expires_at)| Revocation {
                kind: if kind == "session" {
                    RevocationKind::Session
                } else {
                    RevocationKind::User
                },
                id,
                not_before,
                expires_at,
            })
            .collect(),
    })
}

/// Portal asks its own table, not itself over HTTP.
pub(crate) fn own_source(state: &AppState) -> RevocationSource {
    let state = state.clone();
    RevocationSource::from_fn("portal", move |since| {
        let state = state.clone();
        async move {
            let mut conn = state.db.get().await.map_err(|_| InternalError::Connect)?;
            feed(&mut conn, since, state.now())
                .await
                .map_err(|error| InternalError::Answer(error.to_string()))
        }
    })
}

/// The people's sessions, from auth-otp.
pub(crate) fn identity_source(state: &AppState) -> RevocationSource {
    RevocationSource::http("auth-otp", state.identity_revocations.clone())
}

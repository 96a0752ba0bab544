//! Sealing and opening what is cached.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use service_auth::SealContext;
use uuid::Uuid;

use super::{
    Fetched, PatientDataError,
    store::{self, CachedRow},
};
use crate::{AppState, grant::GrantRow};

fn context(grant: Uuid) -> SealContext<'static> {
    SealContext {
        service: "patient-access",
        table: "cached_summaries",
        row: grant,
        column: "sealed",
    }
}

/// What an earlier look under this grant kept. A value that does not open counts as nothing.
pub(super) async fn find(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    grant: &GrantRow,
    now: DateTime<Utc>,
) -> Result<Option<Fetched>, PatientDataError> {
    let Some(row) = store::find_cached(conn, grant.id, now).await? else {
        return Ok(None);
    };
    let opened = state.sealer.open(&context(grant.id), &row.sealed);
    Ok(opened
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Keeps what was fetched at `fetched_at` for an hour, never beyond the grant.
pub(super) async fn keep(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    grant: &GrantRow,
    fetched: &Fetched,
    fetched_at: DateTime<Utc>,
) -> Result<(), PatientDataError> {
    if state.grant.cache_seconds == 0 {
        return Ok(());
    }
    let bytes =
        serde_json::to_vec(fetched).map_err(|error| PatientDataError::Unexpected(error.into()))?;
    let row = CachedRow {
        grant_id: grant.id,
        patient_user_id: grant.patient_user_id,
        sealed: state.sealer.seal(&context(grant.id), &bytes),
        fetched_at,
        expires_at: grant
            .expires_at
            .min(fetched_at + TimeDelta::seconds(state.grant.cache_seconds)),
    };
    store::upsert_cached(conn, &row).await?;
    Ok(())
}

/// Deletes what is too old; a job of the worker.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn purge_expired(state: &AppState) -> anyhow::Result<()> {
    let mut conn = state.stack.db.get().await?;
    let now = state.database_time(&mut conn).await?;
    store::delete_expired(&mut conn, now).await?;
    Ok(())
}

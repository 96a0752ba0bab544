//! One look at a patient's data.

use chrono::{DateTime, Utc};
use common_types::{PhoneNumber, events::patient_access::Viewed};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, Outcome};
use service_events::outbox;
use uuid::Uuid;

use super::{Fetched, PatientData, PatientDataError, cache};
use crate::{
    AppState,
    grant::{self, GrantRow, Origin},
    person,
};

/// Length of an access token.
const TOKEN_LENGTH: usize = 64;

/// Shows the latest summary under the grant of `token`.
///
/// # Errors
/// See [`PatientDataError`]; a refused token leaves an audit row.
pub(crate) async fn show(
    state: &AppState,
    (doctor, organization): (Uuid, Uuid),
    token: Option<&str>,
    origin: Origin,
) -> Result<PatientData, PatientDataError> {
    let token = token
        .filter(|token| !token.is_empty())
        .ok_or(PatientDataError::TokenMissing)?;
    let mut conn = state.stack.db.get().await?;
    let now = state.database_time(&mut conn).await?;
    let live = match is_token(token) {
        true => {
            grant::find_live(
                &mut conn,
                &grant::token_hash(token),
                (doctor, organization),
                now,
            )
            .await?
        }
        false => None,
    };
    let Some(live) = live else {
        record_refusal(&mut conn, (doctor, organization), &origin, now).await?;
        return Err(PatientDataError::TokenInvalid);
    };
    let cached = cache::find(state, &mut conn, &live, now).await?;
    // Not held while the source is asked: a slow source must not drain the pool.
    drop(conn);
    let from_cache = cached.is_some();
    let fetched = match cached {
        Some(cached) => cached,
        None => fetch(state, &live).await?,
    };
    let kept = (!from_cache).then_some(now);
    let shown = state
        .stack
        .db
        .transaction(async |conn| commit_look(state, conn, &live, &fetched, kept, &origin).await)
        .await?;
    state.stack.outbox.wake();
    metrics::counter!("patient_access_views_total", "from_cache" => if from_cache { "yes" } else { "no" })
        .increment(1);
    Ok(fetched.shown(shown.phone_as_given, from_cache))
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn fetch(state: &AppState, live: &GrantRow) -> Result<Fetched, PatientDataError> {
    let phone = PhoneNumber::parse(&live.patient_phone)
        .map_err(|error| PatientDataError::Unexpected(error.into()))?;
    let patient = state.source.patient(&phone).await?;
    let latest_summary = state.source.latest_summary(&patient.id).await?;
    // The platform's own name of the person is better than a handle; without it the source's stands.
    let own = person::of_phone(state, &phone)
        .await
        .ok()
        .flatten()
        .map(|person| person.full_name);
    let patient_name = own.filter(|name| !name.is_empty()).unwrap_or(patient.name);
    Ok(Fetched {
        patient_name,
        latest_summary,
    })
}

/// The grant is looked at once more and held, so that a revocation during the fetch is felt; then
/// row, event and cache commit together.
async fn commit_look(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    live: &GrantRow,
    fetched: &Fetched,
    fetched_at: Option<DateTime<Utc>>,
    origin: &Origin,
) -> Result<GrantRow, PatientDataError> {
    let now = state.database_time(conn).await?;
    let row = grant::lock_live(conn, live.id, now)
        .await?
        .ok_or(PatientDataError::TokenInvalid)?;
    let entry = AuditEntry::new(row.doctor_id, ActorKind::User, "patient_data.viewed", now)
        .subject("grant", row.id)
        .organization(Some(row.organization_id))
        .origin(origin.ip, origin.request_id.clone())
        .details(json!({
            "patient_user_id": row.patient_user_id,
            "has_summary": fetched.latest_summary.is_some(),
            "from_cache": fetched_at.is_none(),
        }));
    service_audit::record(conn, entry).await?;
    grant::update_viewed(conn, row.id, now).await?;
    if let Some(fetched_at) = fetched_at {
        cache::keep(state, conn, &row, fetched, fetched_at).await?;
    }
    let event = Viewed {
        view_id: Uuid::now_v7(),
        aggregate_version: 1,
        grant_id: row.id,
        organization_id: Some(row.organization_id),
        doctor_id: row.doctor_id,
        patient_user_id: row.patient_user_id,
        has_summary: fetched.latest_summary.is_some(),
        break_glass: false,
        viewed_at: now,
    };
    outbox::emit(conn, state.stack.service, &event, now).await?;
    Ok(row)
}

async fn record_refusal(
    conn: &mut AsyncPgConnection,
    (doctor, organization): (Uuid, Uuid),
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), PatientDataError> {
    let entry = AuditEntry::new(doctor, ActorKind::User, "patient_data.viewed", now)
        .organization(Some(organization))
        .outcome(Outcome::Denied)
        .origin(origin.ip, origin.request_id.clone());
    service_audit::record(conn, entry).await?;
    Ok(())
}

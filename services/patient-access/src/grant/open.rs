//! A grant begins.

use chrono::{DateTime, TimeDelta, Utc};
use common_types::events::patient_access::Granted;
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_events::outbox;
use uuid::Uuid;

use super::{GrantRow, Origin, store, token_hash};
use crate::AppState;

/// What a grant is made of.
pub(crate) struct NewGrant<'a> {
    pub(crate) request_id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) doctor_id: Uuid,
    pub(crate) doctor_name: &'a str,
    pub(crate) patient_phone: &'a str,
    pub(crate) phone_as_given: &'a str,
    pub(crate) patient_user_id: Option<Uuid>,
    pub(crate) token: &'a str,
}

/// Writes the grant, its audit row and its event in the caller's transaction.
pub(crate) async fn open(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    grant: NewGrant<'_>,
    origin: &Origin,
    now: DateTime<Utc>,
) -> diesel::QueryResult<GrantRow> {
    let row = GrantRow {
        id: Uuid::now_v7(),
        request_id: grant.request_id,
        organization_id: grant.organization_id,
        doctor_id: grant.doctor_id,
        doctor_name: grant.doctor_name.to_owned(),
        patient_phone: grant.patient_phone.to_owned(),
        phone_as_given: grant.phone_as_given.to_owned(),
        patient_user_id: grant.patient_user_id,
        token_hash: token_hash(grant.token),
        granted_at: now,
        expires_at: now + TimeDelta::seconds(state.grant.lifetime_seconds),
        revoked_at: None,
        revoked_by: None,
        last_viewed_at: None,
        view_count: 0,
        version: 1,
    };
    store::insert_grant(conn, &row).await?;
    let entry = AuditEntry::new(
        row.doctor_id,
        ActorKind::User,
        "patient_access.granted",
        now,
    )
    .subject("grant", row.id)
    .organization(Some(row.organization_id))
    .origin(origin.ip, origin.request_id.clone())
    .details(json!({"access_request": row.request_id, "patient_user_id": row.patient_user_id}));
    service_audit::record(conn, entry).await?;
    let event = Granted {
        grant_id: row.id,
        aggregate_version: row.version,
        organization_id: Some(row.organization_id),
        request_id: Some(row.request_id),
        doctor_id: row.doctor_id,
        patient_user_id: row.patient_user_id,
        break_glass: false,
        granted_at: row.granted_at,
        expires_at: row.expires_at,
    };
    outbox::emit(conn, state.stack.service, &event, now).await?;
    Ok(row)
}

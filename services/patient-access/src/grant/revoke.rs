//! A grant ends before its time.

use common_types::{AccessClaims, ClinicRole, PhoneNumber, events::patient_access::Revoked};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry};
use service_events::outbox;
use uuid::Uuid;

use super::{GrantError, GrantRow, Origin, store};
use crate::{AppState, person};

/// Who ends it.
#[derive(Clone, Debug)]
pub(crate) struct Revoker {
    /// Name for the audit row.
    pub(crate) actor: String,
    pub(crate) actor_kind: ActorKind,
    /// Acts for the patient of this number.
    pub(crate) phone: Option<PhoneNumber>,
    /// Acts as this doctor, or as an admin of this clinic.
    pub(crate) doctor: Option<Uuid>,
    pub(crate) admin_of: Option<Uuid>,
}

impl Revoker {
    /// What a signed-in person may end: the grants on their own phone, their own as a doctor, and
    /// those of their clinic as its admin.
    ///
    /// # Errors
    /// When nobody can say whose phone it is.
    pub(crate) async fn of_caller(
        state: &AppState,
        claims: &AccessClaims,
    ) -> Result<Self, GrantError> {
        let person = person::of_id(state, claims.sub)
            .await
            .map_err(GrantError::Unexpected)?;
        let phone = person
            .filter(|person| person.is_active)
            .and_then(|person| person.phone);
        Ok(Self {
            actor: claims.sub.to_string(),
            actor_kind: ActorKind::User,
            phone: phone.and_then(|phone| PhoneNumber::parse(&phone).ok()),
            doctor: (claims.clinic_role == Some(ClinicRole::Doctor)).then_some(claims.sub),
            admin_of: claims
                .org
                .filter(|_| claims.clinic_role == Some(ClinicRole::Admin)),
        })
    }

    /// In which quality this grant may be ended, if at all. The patient's comes first.
    fn quality(&self, grant: &GrantRow) -> Option<&'static str> {
        if self
            .phone
            .as_ref()
            .is_some_and(|phone| phone.e164() == grant.patient_phone)
        {
            Some("patient")
        } else if self.doctor == Some(grant.doctor_id) {
            Some("doctor")
        } else if self.admin_of == Some(grant.organization_id) {
            Some("admin")
        } else {
            None
        }
    }
}

/// Ends a grant; ending an ended one changes nothing and answers the same.
///
/// # Errors
/// [`GrantError::Unknown`] when there is no such grant or it is not theirs to end.
pub(crate) async fn revoke(
    state: &AppState,
    id: Uuid,
    revoker: &Revoker,
    origin: &Origin,
) -> Result<GrantRow, GrantError> {
    let row = state
        .stack
        .db
        .transaction(async |conn| end(state, conn, id, revoker, origin).await)
        .await?;
    state.stack.outbox.wake();
    Ok(row)
}

async fn end(
    state: &AppState,
    conn: &mut AsyncPgConnection,
    id: Uuid,
    revoker: &Revoker,
    origin: &Origin,
) -> Result<GrantRow, GrantError> {
    let found = store::lock_grant(conn, id).await?;
    let Some((grant, quality)) =
        found.and_then(|grant| revoker.quality(&grant).map(|quality| (grant, quality)))
    else {
        return Err(GrantError::Unknown);
    };
    let now = state.database_time(conn).await?;
    if grant.revoked_at.is_some() || grant.expires_at <= now {
        return Ok(grant);
    }
    let row = store::update_revoked(conn, id, quality, now).await?;
    let entry = AuditEntry::new(
        &revoker.actor,
        revoker.actor_kind,
        "patient_access.revoked",
        now,
    )
    .subject("grant", row.id)
    .organization(Some(row.organization_id))
    .origin(origin.ip, origin.request_id.clone())
    .details(json!({"revoked_by": quality, "doctor_id": row.doctor_id}));
    service_audit::record(conn, entry).await?;
    let event = Revoked {
        grant_id: row.id,
        aggregate_version: row.version,
        organization_id: Some(row.organization_id),
        doctor_id: row.doctor_id,
        patient_user_id: row.patient_user_id,
        revoked_by: quality.to_owned(),
        revoked_at: now,
    };
    outbox::emit(conn, state.stack.service, &event, now).await?;
    metrics::counter!("patient_access_revocations_total", "by" => quality).increment(1);
    Ok(row)
}

//! Making keys, opening sealed ones, switching them on and off.

use chrono::{DateTime, Utc};
use common_types::events::portal::CredentialsIssued;
use diesel_async::AsyncPgConnection;
use service_auth::SealContext;
use service_events::outbox;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    AccessError, AccessKey, AccessRow, Password,
    store::{self, NewAccess},
};
use crate::{
    delivery,
    patient::{self, PatientRow},
    state::{AppState, SERVICE},
    web::{Act, Who},
};

fn context(row: Uuid, column: &str) -> SealContext<'_> {
    SealContext {
        service: SERVICE,
        table: "patient_accesses",
        row,
        column,
    }
}

/// The patient's one key set, made when there is none; tells whether it was made now. Two transactions at once
/// end with one set: the row is unique per patient.
///
/// # Errors
/// When the database or the hasher fails.
pub(crate) async fn ensure(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    patient: &PatientRow,
    created_by: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(AccessRow, bool), AccessError> {
    if let Some(row) =
        store::find_access_of_patient(conn, patient.organization_id, patient.id).await?
    {
        return Ok((row, false));
    }
    let (key, password) = (AccessKey::generate(), Password::generate());
    let hash = state
        .hasher
        .hash(password.expose())
        .await
        .map_err(anyhow::Error::new)?;
    let id = Uuid::now_v7();
    let new = NewAccess {
        id,
        organization_id: patient.organization_id,
        patient_id: patient.id,
        key_lookup: key
            .lookup(state.settings.keys.lookup_secret.expose().as_bytes())
            .to_vec(),
        key_sealed: state
            .sealer
            .seal(&context(id, "key_sealed"), key.expose().as_bytes()),
        password_hash: hash,
        password_sealed: state.sealer.seal(
            &context(id, "password_sealed"),
            password.expose().as_bytes(),
        ),
        created_by,
        created_at: now,
        updated_at: now,
    };
    match store::insert_access(conn, &new).await? {
        Some(row) => Ok((row, true)),
        None => store::find_access_of_patient(conn, patient.organization_id, patient.id)
            .await?
            .map(|row| (row, false))
            .ok_or_else(|| {
                AccessError::Unexpected(anyhow::anyhow!("a key set appeared and vanished"))
            }),
    }
}

fn open(
    state: &AppState,
    row: &AccessRow,
    column: &str,
    sealed: &str,
) -> Result<Zeroizing<String>, AccessError> {
    let bytes = state
        .sealer
        .open(&context(row.id, column), sealed)
        .map_err(anyhow::Error::new)?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| anyhow::anyhow!("a sealed key is no text"))?;
    Ok(Zeroizing::new(text))
}

/// The access key, for those who may see it.
///
/// # Errors
/// When the sealing key is missing or the value was tampered with.
pub(crate) fn opened_key(
    state: &AppState,
    row: &AccessRow,
) -> Result<Zeroizing<String>, AccessError> {
    open(state, row, "key_sealed", &row.key_sealed)
}

/// The password, for those who may see it; the caller writes the audit row.
///
/// # Errors
/// As [`opened_key`].
pub(crate) fn opened_password(
    state: &AppState,
    row: &AccessRow,
) -> Result<Zeroizing<String>, AccessError> {
    open(state, row, "password_sealed", &row.password_sealed)
}

/// Key and password, as a message to the patient needs them.
///
/// # Errors
/// As [`opened_key`].
pub(crate) fn opened_keys(
    state: &AppState,
    row: &AccessRow,
) -> Result<(Zeroizing<String>, Zeroizing<String>), AccessError> {
    Ok((opened_key(state, row)?, opened_password(state, row)?))
}

/// Hands the keys to the patient once in their life, by every channel that is known; later calls do nothing unless
/// `again`. Answers whether a message was queued.
///
/// # Errors
/// When the database fails.
pub(crate) async fn hand_out(
    conn: &mut AsyncPgConnection,
    row: &AccessRow,
    patient: &PatientRow,
    invoice: Option<Uuid>,
    again: bool,
    now: DateTime<Utc>,
) -> Result<bool, AccessError> {
    // Locked: of two transactions that both made the set known, one queues the messages.
    let row = store::lock_access(conn, row.organization_id, row.id).await?;
    if !again && delivery::has_credentials_delivery(conn, row.id).await? {
        return Ok(false);
    }
    let channels = delivery::queue(conn, delivery::Kind::Credentials, row.id, patient, now).await?;
    let event = CredentialsIssued {
        access_id: row.id,
        aggregate_version: row.version,
        organization_id: row.organization_id,
        patient_id: row.patient_id,
        invoice_id: invoice,
        issued_at: now,
    };
    outbox::emit(conn, SERVICE, &event, now).await?;
    Ok(channels > 0)
}

/// R05: the patient's keys, made, switched on again and handed out when they never were.
///
/// # Errors
/// [`AccessError::PatientNotFound`].
pub(crate) async fn generate(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    patient_number: i64,
    resend: bool,
) -> Result<Generated, AccessError> {
    let now = state.now();
    let generated = state
        .db
        .transaction(async |conn| {
            let patient = patient::find_patient_by_number(conn, organization, patient_number)
                .await?
                .ok_or(AccessError::PatientNotFound)?;
            let (mut access, created) = ensure(conn, state, &patient, who.user(), now).await?;
            let reactivated = !access.is_active;
            if reactivated {
                access = store::set_active(conn, access.id, true, now).await?;
            }
            hand_out(conn, &access, &patient, None, resend, now).await?;
            let act = Act::on("access.generated", "patient", &[patient.id])
                .with(serde_json::json!({"access_id": access.id, "created": created, "reactivated": reactivated}));
            who.record(conn, act, now).await?;
            Ok::<_, AccessError>(Generated { access, patient, created })
        })
        .await?;
    state.outbox.wake();
    Ok(generated)
}

/// What [`generate`] made or found.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) access: AccessRow,
    pub(crate) patient: PatientRow,
    pub(crate) created: bool,
}

/// Switches a key set on or off (R20); off ends every session.
///
/// # Errors
/// [`AccessError::NotFound`].
pub(crate) async fn set_active(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    active: Option<bool>,
) -> Result<Generated, AccessError> {
    let now = state.now();
    let changed = state
        .db
        .transaction(async |conn| {
            let access = store::find_access_by_number(conn, organization, number)
                .await?
                .ok_or(AccessError::NotFound)?;
            let patient = patient::find_patient(conn, organization, access.patient_id)
                .await?
                .ok_or(AccessError::NotFound)?;
            let access = match active {
                Some(active) if active != access.is_active => {
                    if !active {
                        crate::session::end_all_of_patient(conn, patient.id, now).await?;
                    }
                    let action = if active {
                        "access.enabled"
                    } else {
                        "access.disabled"
                    };
                    who.record(conn, Act::on(action, "patient", &[patient.id]), now)
                        .await?;
                    store::set_active(conn, access.id, active, now).await?
                }
                _ => {
                    who.record(conn, Act::on("access.read", "patient", &[patient.id]), now)
                        .await?;
                    access
                }
            };
            Ok::<_, AccessError>(Generated {
                access,
                patient,
                created: false,
            })
        })
        .await?;
    state.outbox.wake();
    Ok(changed)
}

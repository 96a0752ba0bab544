//! Creating, changing and hiding patients.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use service_auth::tokens::random_from;
use uuid::Uuid;

use super::{
    PatientError, PatientRow,
    dto::PatientFields,
    store::{self, NewPatient, PatientChange},
};
use crate::{
    clinic::Clinic,
    state::AppState,
    web::{Act, Who},
};

const CODE_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Codes collide once in two thousand million; a clinic that fails five times in a row has other troubles.
const CODE_TRIES: usize = 5;

pub(crate) async fn create(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    fields: &PatientFields,
) -> Result<PatientRow, PatientError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let clinic = Clinic::of(conn, organization, &state.settings.clinic).await?;
            let row = insert(conn, organization, who, fields, &clinic, now).await?;
            who.record(conn, Act::on("patient.created", "patient", &[row.id]), now)
                .await?;
            Ok::<_, PatientError>(row)
        })
        .await
}

async fn insert(
    conn: &mut AsyncPgConnection,
    organization: Uuid,
    who: &Who,
    fields: &PatientFields,
    clinic: &Clinic,
    now: DateTime<Utc>,
) -> Result<PatientRow, PatientError> {
    for _ in 0..CODE_TRIES {
        let code = random_from(CODE_ALPHABET, 6);
        let new = NewPatient {
            id: Uuid::now_v7(),
            organization_id: organization,
            patient_code: &code,
            first_name: &fields.first_name,
            last_name: &fields.last_name,
            gender: &fields.gender,
            age: fields.age.flatten(),
            phone_number: fields.phone_number.as_deref(),
            phone_e164: fields.phone_e164.as_deref(),
            email: fields.email.as_deref(),
            address: &fields.address,
            language: fields.language.unwrap_or(clinic.language).as_str(),
            created_by: who.user(),
            created_at: now,
            updated_at: now,
        };
        if let Some(row) = store::insert_patient(conn, &new).await? {
            return Ok(row);
        }
    }
    Err(PatientError::Unexpected(anyhow::anyhow!(
        "no free patient code after {CODE_TRIES} tries"
    )))
}

pub(crate) async fn update(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
    body: serde_json::Value,
    partial: bool,
) -> Result<PatientRow, PatientError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let row = store::find_patient_by_number(conn, organization, number)
                .await?
                .ok_or(PatientError::NotFound)?;
            let fields = PatientFields::read(body.clone(), partial.then_some(&row))
                .map_err(PatientError::Refused)?;
            let change = PatientChange {
                first_name: &fields.first_name,
                last_name: &fields.last_name,
                gender: &fields.gender,
                age: fields.age.unwrap_or(row.age),
                phone_number: fields.phone_number.as_deref(),
                phone_e164: fields.phone_e164.as_deref(),
                email: fields.email.as_deref(),
                address: &fields.address,
                language: fields
                    .language
                    .map_or(row.language.as_str(), |language| language.as_str()),
                updated_at: now,
            };
            let row = store::update_patient(conn, row.id, &change).await?;
            who.record(conn, Act::on("patient.updated", "patient", &[row.id]), now)
                .await?;
            Ok(row)
        })
        .await
}

pub(crate) async fn delete(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    number: i64,
) -> Result<(), PatientError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let row = store::find_patient_by_number(conn, organization, number)
                .await?
                .ok_or(PatientError::NotFound)?;
            if store::has_open_invoices(conn, organization, row.id).await? {
                return Err(PatientError::HasInvoices);
            }
            store::hide_patient(conn, row.id, now).await?;
            crate::session::end_all_of_patient(conn, row.id, now).await?;
            who.record(conn, Act::on("patient.deleted", "patient", &[row.id]), now)
                .await?;
            Ok(())
        })
        .await?;
    state.outbox.wake();
    Ok(())
}

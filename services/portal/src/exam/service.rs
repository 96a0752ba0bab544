//! Registering exams.

use uuid::Uuid;

use super::{
    dto::{ExaminationFields, ExaminationResponse},
    error::ExamError,
    store::{self, NewExamination},
};
use crate::{
    clinic::Clinic,
    patient,
    state::AppState,
    web::{Act, Who},
};

/// # Errors
/// [`ExamError::BadReference`] for a patient or type that is not in this organisation.
pub(crate) async fn register(
    state: &AppState,
    organization: Uuid,
    who: &Who,
    fields: &ExaminationFields,
) -> Result<ExaminationResponse, ExamError> {
    let now = state.now();
    state
        .db
        .transaction(async |conn| {
            let patient = patient::find_patient_by_number(conn, organization, fields.patient)
                .await?
                .ok_or(ExamError::BadReference("patient", fields.patient))?;
            let exam_type = match fields.exam_type {
                Some(number) => Some(
                    store::find_exam_type(conn, organization, number)
                        .await?
                        .ok_or(ExamError::BadReference("exam_type", number))?,
                ),
                None => None,
            };
            let today = Clinic::of(conn, organization, &state.settings.clinic)
                .await?
                .local(now)
                .date();
            let name = fields
                .exam_name
                .as_deref()
                .or(exam_type.as_ref().map(|row| row.name.as_str()))
                .unwrap_or_default();
            let new = NewExamination {
                id: Uuid::now_v7(),
                organization_id: organization,
                patient_id: patient.id,
                exam_type_id: exam_type.as_ref().map(|row| row.id),
                exam_name: name,
                performed_on: fields.performed_on.unwrap_or(today),
                status: fields.status,
                notes: &fields.notes,
                created_by: who.user(),
                created_at: now,
                updated_at: now,
            };
            let row = store::insert_examination(conn, &new).await?;
            let act = Act::on("examination.registered", "patient", &[patient.id])
                .with(serde_json::json!({ "examination_id": row.id }));
            who.record(conn, act, now).await?;
            Ok(ExaminationResponse::new(
                &row,
                &patient,
                exam_type.map(|row| row.number),
                None,
            ))
        })
        .await
}

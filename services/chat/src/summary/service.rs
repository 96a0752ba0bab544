//! Asking for a summary and seeing how far it is.

use common_types::AccessClaims;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{
    CreateSummaryRequest, SummaryJobResponse, SummaryResponse,
    store::{self, JobRow, SummaryRow},
};
use crate::{
    AppState,
    error::ChatError,
    message::store as messages,
    person::{Person, store as people},
    room::store::{self as rooms, RoomRow},
};

impl From<SummaryRow> for SummaryResponse {
    fn from(row: SummaryRow) -> Self {
        Self {
            id: row.number,
            content: row.content,
            summary_text: row.summary_text,
            model: row.model,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn job_response(job: JobRow, summary: Option<SummaryRow>) -> SummaryJobResponse {
    SummaryJobResponse {
        id: job.id,
        status: job.state,
        attempts: job.attempts,
        error: job.error_code,
        summary: summary.map(SummaryResponse::from),
        created_at: job.created_at,
        updated_at: job.updated_at,
    }
}

/// Writes a job for a summary of the room.
pub(crate) async fn request_summary(
    state: &AppState,
    caller: &AccessClaims,
    room: i64,
    request: &CreateSummaryRequest,
) -> Result<SummaryJobResponse, ChatError> {
    let now = state.stack.clock.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let (room, _) = rooms::find_room_for_member(conn, room, caller.sub)
                .await?
                .ok_or(ChatError::RoomNotFound)?;
            let patient = patient_of(conn, &room, request.patient_user_id).await?;
            if messages::find_last_number(conn, room.id).await?.is_none() {
                return Err(ChatError::NothingToSummarize);
            }
            let job = JobRow {
                id: Uuid::now_v7(),
                room_id: room.id,
                patient_user_id: patient,
                requested_by: caller.sub,
                organization_id: room.organization_id,
                language: request.language.unwrap_or(caller.lang).as_str().to_owned(),
                state: "pending".to_owned(),
                attempts: 0,
                next_attempt_at: now,
                error_code: None,
                summary_id: None,
                created_at: now,
                updated_at: now,
            };
            store::insert_job(conn, &job).await?;
            Ok(job_response(job, None))
        })
        .await
}

/// The one member without a clinic role, or the member that the caller names.
async fn patient_of(
    conn: &mut AsyncPgConnection,
    room: &RoomRow,
    named: Option<i64>,
) -> Result<Uuid, ChatError> {
    let ids: Vec<Uuid> = rooms::list_members(conn, &[room.id])
        .await?
        .iter()
        .map(|member| member.user_id)
        .collect();
    let members = people::list_people(conn, &ids).await?;
    let candidates: Vec<&Person> = match named {
        Some(number) => members
            .iter()
            .filter(|person| person.number == number)
            .collect(),
        None => members
            .iter()
            .filter(|person| !person.is_clinic_staff())
            .collect(),
    };
    match candidates.as_slice() {
        [patient] => Ok(patient.id),
        _ => Err(ChatError::PatientUnclear),
    }
}

/// How far a summary is, for members of its room.
pub(crate) async fn show_job(
    state: &AppState,
    caller: &AccessClaims,
    job: Uuid,
) -> Result<SummaryJobResponse, ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (job, summary) = store::find_job_for_member(&mut conn, job, caller.sub)
        .await?
        .ok_or(ChatError::JobNotFound)?;
    Ok(job_response(job, summary))
}

/// Summaries of a room, newest first, for its members.
pub(crate) async fn list_summaries(
    state: &AppState,
    caller: &AccessClaims,
    room: i64,
    limit: i64,
) -> Result<Vec<SummaryResponse>, ChatError> {
    let mut conn = state.stack.db.get().await?;
    let (room, _) = rooms::find_room_for_member(&mut conn, room, caller.sub)
        .await?
        .ok_or(ChatError::RoomNotFound)?;
    Ok(store::list_for_room(&mut conn, room.id, limit)
        .await?
        .into_iter()
        .map(SummaryResponse::from)
        .collect())
}

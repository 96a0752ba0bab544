//! `/api/patients/portal/accesses/`: who read my summary.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use common_types::Page;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use service_http::ApiError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    patient,
    schema::{summary_accesses, users},
    session::{PatientSession, SessionError},
    state::AppState,
    web::Act,
};

const NEWEST: i64 = 200;

/// One event of a doctor's access to the patient's summary.
#[derive(Debug, Serialize, ToSchema)]
struct SummaryAccessResponse {
    id: Uuid,
    /// granted, denied, viewed or revoked.
    kind: String,
    doctor_id: Uuid,
    doctor_name: String,
    grant_id: Option<Uuid>,
    break_glass: bool,
    detail: String,
    happened_at: DateTime<Utc>,
}

type Row = (
    Uuid,
    String,
    Uuid,
    Option<String>,
    Option<Uuid>,
    bool,
    String,
    DateTime<Utc>,
);

/// Accesses to the summaries of the users who proved this phone to be theirs (decision 4).
async fn list_for_phone(conn: &mut AsyncPgConnection, phone: &str) -> QueryResult<Vec<Row>> {
    let owners: Vec<Uuid> = users::table
        .filter(users::phone.eq(phone))
        .filter(users::is_active)
        .select(users::id)
        .load(conn)
        .await?;
    summary_accesses::table
        .left_join(users::table.on(users::id.eq(summary_accesses::doctor_id)))
        .filter(summary_accesses::patient_user_id.eq_any(owners))
        .order_by((
            summary_accesses::happened_at.desc(),
            summary_accesses::id.desc(),
        ))
        .limit(NEWEST)
        .select((
            summary_accesses::id,
            summary_accesses::kind,
            summary_accesses::doctor_id,
            users::full_name.nullable(),
            summary_accesses::grant_id,
            summary_accesses::break_glass,
            summary_accesses::detail,
            summary_accesses::happened_at,
        ))
        .load(conn)
        .await
}

/// Who asked for, got, used or lost access to my summary, newest first.
#[utoipa::path(tag = "portal", responses((status = 200, body = Page<SummaryAccessResponse>), (status = 401)))]
#[get("/api/patients/portal/accesses")]
pub(crate) async fn list_summary_accesses(
    state: web::Data<AppState>,
    session: PatientSession,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let rows = state
        .db
        .transaction(async |conn| {
            session
                .who()
                .record(
                    conn,
                    Act::on("portal.accesses_read", "patient", &[session.patient()]),
                    now,
                )
                .await?;
            let row = patient::find_patient(conn, session.organization(), session.patient())
                .await?
                .ok_or(SessionError::Ended)?;
            match &row.phone_e164 {
                Some(phone) => Ok::<_, SessionError>(list_for_phone(conn, phone).await?),
                None => Ok(Vec::new()),
            }
        })
        .await?;
    let results: Vec<_> = rows
        .into_iter()
        .map(
            |(id, kind, doctor_id, name, grant_id, break_glass, detail, happened_at)| {
                SummaryAccessResponse {
                    id,
                    kind,
                    doctor_id,
                    doctor_name: name.unwrap_or_default(),
                    grant_id,
                    break_glass,
                    detail,
                    happened_at,
                }
            },
        )
        .collect();
    let count = i64::try_from(results.len()).unwrap_or(NEWEST);
    let page = Page {
        count,
        next: None,
        previous: None,
        results,
    };
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(page))
}

//! Rows of summaries and their jobs.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{messages, people, room_members, summaries, summary_jobs};

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = summaries)]
pub(crate) struct SummaryRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) content: String,
    pub(crate) summary_text: String,
    pub(crate) model: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Insertable)]
#[diesel(table_name = summaries)]
pub(crate) struct NewSummary<'a> {
    pub(crate) id: Uuid,
    pub(crate) room_id: Uuid,
    pub(crate) patient_user_id: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) content: &'a str,
    pub(crate) summary_text: &'a str,
    pub(crate) model: &'a str,
    pub(crate) last_message_number: i64,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = summary_jobs)]
pub(crate) struct JobRow {
    pub(crate) id: Uuid,
    pub(crate) room_id: Uuid,
    pub(crate) patient_user_id: Uuid,
    pub(crate) requested_by: Uuid,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) language: String,
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) next_attempt_at: DateTime<Utc>,
    pub(crate) error_code: Option<String>,
    pub(crate) summary_id: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A message to summarise: number, author, text, time.
pub(crate) type Spoken = (i64, String, i64, String, DateTime<Utc>);

pub(crate) async fn insert_summary(
    conn: &mut AsyncPgConnection,
    summary: &NewSummary<'_>,
) -> QueryResult<()> {
    diesel::insert_into(summaries::table)
        .values(summary)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn list_for_room(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    limit: i64,
) -> QueryResult<Vec<SummaryRow>> {
    summaries::table
        .filter(summaries::room_id.eq(room))
        .order(summaries::number.desc())
        .limit(limit)
        .select(SummaryRow::as_select())
        .load(conn)
        .await
}

pub(crate) async fn find_latest_for_patient(
    conn: &mut AsyncPgConnection,
    patient: Uuid,
) -> QueryResult<Option<SummaryRow>> {
    summaries::table
        .filter(summaries::patient_user_id.eq(patient))
        .order(summaries::number.desc())
        .select(SummaryRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn insert_job(conn: &mut AsyncPgConnection, job: &JobRow) -> QueryResult<()> {
    diesel::insert_into(summary_jobs::table)
        .values(job)
        .execute(conn)
        .await?;
    Ok(())
}

/// The job with its summary, for a member of its room.
pub(crate) async fn find_job_for_member(
    conn: &mut AsyncPgConnection,
    job: Uuid,
    user: Uuid,
) -> QueryResult<Option<(JobRow, Option<SummaryRow>)>> {
    summary_jobs::table
        .inner_join(room_members::table.on(room_members::room_id.eq(summary_jobs::room_id)))
        .left_join(summaries::table.on(summary_jobs::summary_id.eq(summaries::id.nullable())))
        .filter(summary_jobs::id.eq(job).and(room_members::user_id.eq(user)))
        .select((JobRow::as_select(), Option::<SummaryRow>::as_select()))
        .first(conn)
        .await
        .optional()
}

/// Takes the next job that is due, until `lease`; of several workers one gets it.
pub(crate) async fn claim_job(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    lease: DateTime<Utc>,
) -> QueryResult<Option<JobRow>> {
    let due = summary_jobs::table
        .filter(
            summary_jobs::state
                .eq_any(["pending", "running"])
                .and(summary_jobs::next_attempt_at.le(now)),
        )
        .order(summary_jobs::next_attempt_at)
        .select(summary_jobs::id)
        .limit(1)
        .for_update()
        .skip_locked()
        .first::<Uuid>(conn)
        .await
        .optional()?;
    let Some(id) = due else {
        return Ok(None);
    };
    diesel::update(summary_jobs::table.find(id))
        .set((
            summary_jobs::state.eq("running"),
            summary_jobs::attempts.eq(summary_jobs::attempts + 1),
            summary_jobs::next_attempt_at.eq(lease),
            summary_jobs::updated_at.eq(now),
        ))
        .returning(JobRow::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Ends a running job; false when it has ended already.
pub(crate) async fn complete_job(
    conn: &mut AsyncPgConnection,
    job: Uuid,
    summary: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let changed = diesel::update(
        summary_jobs::table
            .find(job)
            .filter(summary_jobs::state.eq("running")),
    )
    .set((
        summary_jobs::state.eq("completed"),
        summary_jobs::error_code.eq(None::<String>),
        summary_jobs::summary_id.eq(summary),
        summary_jobs::updated_at.eq(now),
    ))
    .execute(conn)
    .await?;
    Ok(changed == 1)
}

/// Puts a job back until `again`, or ends it when that is `None`.
pub(crate) async fn fail_job(
    conn: &mut AsyncPgConnection,
    job: Uuid,
    error_code: &str,
    again: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(
        summary_jobs::table
            .find(job)
            .filter(summary_jobs::state.eq("running")),
    )
    .set((
        summary_jobs::state.eq(if again.is_some() { "pending" } else { "failed" }),
        summary_jobs::error_code.eq(error_code),
        summary_jobs::next_attempt_at.eq(again.unwrap_or(now)),
        summary_jobs::updated_at.eq(now),
    ))
    .execute(conn)
    .await?;
    Ok(())
}

/// The last `limit` texts of a room, oldest first.
pub(crate) async fn list_spoken(
    conn: &mut AsyncPgConnection,
    room: Uuid,
    limit: i64,
) -> QueryResult<Vec<Spoken>> {
    let mut spoken: Vec<Spoken> = messages::table
        .inner_join(people::table.on(people::id.eq(messages::sender_id)))
        .filter(messages::room_id.eq(room).and(messages::text.ne("")))
        .order(messages::number.desc())
        .limit(limit)
        .select((
            messages::number,
            people::full_name,
            people::number,
            messages::text,
            messages::created_at,
        ))
        .load(conn)
        .await?;
    spoken.reverse();
    Ok(spoken)
}

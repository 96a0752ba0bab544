//! The rows of jobs.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::{
    prelude::*,
    sql_types::{Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{content::store as content, directory::store as directory, schema::ai_jobs};

/// The statuses as they stand on the wire.
pub(crate) const STATUSES: &[&str] = &["pending", "running", "completed", "failed", "cancelled"];

#[derive(Insertable)]
#[diesel(table_name = ai_jobs)]
pub(crate) struct NewJob<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) content_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) kind: &'a str,
    pub(crate) params: Value,
    pub(crate) prompt_text: String,
    pub(crate) max_tokens: i32,
    pub(crate) available_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = ai_jobs)]
pub(crate) struct JobRow {
    pub(crate) id: Uuid,
    number: i64,
    workspace_id: Uuid,
    content_id: Option<Uuid>,
    user_id: Uuid,
    status: String,
    kind: String,
    params: Value,
    result_data: Value,
    error_message: String,
    retry_count: i32,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A job that this worker holds.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct ClaimedJob {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) organization_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) workspace_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(crate) content_id: Option<Uuid>,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) user_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) prompt_text: String,
    #[diesel(sql_type = Int4)]
    pub(crate) max_tokens: i32,
    #[diesel(sql_type = Int4)]
    pub(crate) retry_count: i32,
    #[diesel(sql_type = Int8)]
    pub(crate) number: i64,
}

pub(crate) async fn insert_job(conn: &mut AsyncPgConnection, job: NewJob<'_>) -> QueryResult<i64> {
    diesel::insert_into(ai_jobs::table)
        .values(job)
        .returning(ai_jobs::number)
        .get_result(conn)
        .await
}

/// Takes the next job that is due, or one whose worker's claim ran out; that counts as a retry.
pub(crate) async fn claim_job(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> QueryResult<Option<ClaimedJob>> {
    diesel::sql_query(
        "UPDATE ai_jobs SET retry_count = retry_count + (CASE WHEN status = 'running' THEN 1 ELSE 0 END), status = 'running', \
         started_at = coalesce(started_at, $1), claimed_until = $2, updated_at = $1 \
         WHERE id = (SELECT id FROM ai_jobs WHERE (status = 'pending' AND available_at <= $1) \
         OR (status = 'running' AND claimed_until < $1) ORDER BY available_at, id FOR UPDATE SKIP LOCKED LIMIT 1) \
         RETURNING id, organization_id, workspace_id, content_id, user_id, prompt_text, max_tokens, retry_count, number",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(until)
    .get_result(conn)
    .await
    .optional()
}

/// Locks a job that is still running under the claim `retry_count`; `false` when somebody else has it or it is done.
pub(crate) async fn lock_running(
    conn: &mut AsyncPgConnection,
    job: &ClaimedJob,
) -> QueryResult<bool> {
    let found: Option<Uuid> = ai_jobs::table
        .filter(
            ai_jobs::id
                .eq(job.id)
                .and(ai_jobs::status.eq("running"))
                .and(ai_jobs::retry_count.eq(job.retry_count)),
        )
        .select(ai_jobs::id)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// Keeps a job that is still held under this claim until `until`.
pub(crate) async fn renew_claim(
    conn: &mut AsyncPgConnection,
    job: &ClaimedJob,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let held = ai_jobs::id
        .eq(job.id)
        .and(ai_jobs::status.eq("running"))
        .and(ai_jobs::retry_count.eq(job.retry_count));
    diesel::update(ai_jobs::table.filter(held))
        .set(ai_jobs::claimed_until.eq(until))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn complete_job(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    result: Value,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(ai_jobs::table.find(id))
        .set((
            ai_jobs::status.eq("completed"),
            ai_jobs::result_data.eq(result),
            ai_jobs::error_message.eq(""),
            ai_jobs::claimed_until.eq(None::<DateTime<Utc>>),
            ai_jobs::completed_at.eq(now),
            ai_jobs::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn fail_job(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    message: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(ai_jobs::table.find(id))
        .set((
            ai_jobs::status.eq("failed"),
            ai_jobs::error_message.eq(message),
            ai_jobs::claimed_until.eq(None::<DateTime<Utc>>),
            ai_jobs::completed_at.eq(now),
            ai_jobs::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts the job back until `at`.
pub(crate) async fn retry_job(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    message: &str,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(ai_jobs::table.find(id))
        .set((
            ai_jobs::status.eq("pending"),
            ai_jobs::error_message.eq(message),
            ai_jobs::retry_count.eq(ai_jobs::retry_count + 1),
            ai_jobs::claimed_until.eq(None::<DateTime<Utc>>),
            ai_jobs::available_at.eq(at),
            ai_jobs::updated_at.eq(now),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Number by id.
pub(crate) async fn list_numbers(
    conn: &mut AsyncPgConnection,
    ids: impl IntoIterator<Item = Uuid>,
) -> QueryResult<HashMap<Uuid, i64>> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<(Uuid, i64)> = ai_jobs::table
        .filter(ai_jobs::id.eq_any(ids))
        .select((ai_jobs::id, ai_jobs::number))
        .load(conn)
        .await?;
    Ok(rows.into_iter().collect())
}

pub(crate) async fn find_job(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<JobRow>> {
    ai_jobs::table
        .filter(
            ai_jobs::organization_id
                .eq(organization_id)
                .and(ai_jobs::number.eq(number)),
        )
        .select(JobRow::as_select())
        .first(conn)
        .await
        .optional()
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobFilter<'a> {
    pub(crate) content_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) status: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    pub(crate) order: Vec<Term>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &JobFilter<'_>,
) -> ai_jobs::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = ai_jobs::table
        .filter(ai_jobs::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.content_id {
        query = query.filter(ai_jobs::content_id.eq(id));
    }
    if let Some(id) = filter.user_id {
        query = query.filter(ai_jobs::user_id.eq(id));
    }
    if let Some(id) = filter.workspace_id {
        query = query.filter(ai_jobs::workspace_id.eq(id));
    }
    if let Some(status) = filter.status {
        query = query.filter(ai_jobs::status.eq(status.to_owned()));
    }
    if let Some(kind) = filter.kind {
        query = query.filter(ai_jobs::kind.eq(kind.to_owned()));
    }
    query
}

pub(crate) async fn list_jobs(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &JobFilter<'_>,
) -> QueryResult<(i64, Vec<JobRow>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let mut query = filtered(organization_id, filter);
    for term in &filter.order {
        query = match (term.field, term.descending) {
            ("started_at", false) => query.then_order_by(ai_jobs::started_at.asc()),
            ("started_at", true) => query.then_order_by(ai_jobs::started_at.desc()),
            ("completed_at", false) => query.then_order_by(ai_jobs::completed_at.asc()),
            ("completed_at", true) => query.then_order_by(ai_jobs::completed_at.desc()),
            (_, false) => query.then_order_by(ai_jobs::created_at.asc()),
            (_, true) => query.then_order_by(ai_jobs::created_at.desc()),
        };
    }
    let rows = query
        .then_order_by((ai_jobs::created_at.desc(), ai_jobs::number.desc()))
        .limit(filter.limit)
        .offset(filter.offset)
        .select(JobRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

/// A job as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct JobResponse {
    /// Number.
    pub(crate) id: i64,
    /// Number of the content; null when it was deleted.
    pub(crate) content: Option<i64>,
    pub(crate) content_title: Option<String>,
    /// Number of the user.
    pub(crate) user: i64,
    pub(crate) user_name: String,
    /// Number of the workspace.
    pub(crate) workspace: i64,
    pub(crate) workspace_name: String,
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) params: Value,
    pub(crate) result_data: Value,
    pub(crate) error_message: Option<String>,
    pub(crate) retry_count: i32,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// The rows as they are shown.
pub(crate) async fn show(
    conn: &mut AsyncPgConnection,
    rows: Vec<JobRow>,
) -> QueryResult<Vec<JobResponse>> {
    let titles = content::list_titles(conn, rows.iter().filter_map(|row| row.content_id)).await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.user_id)).await?;
    let workspaces =
        directory::list_workspaces(conn, rows.iter().map(|row| row.workspace_id)).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let content = row.content_id.and_then(|id| titles.get(&id).cloned());
            let user = people.get(&row.user_id);
            let workspace = workspaces.get(&row.workspace_id);
            JobResponse {
                id: row.number,
                content: content.as_ref().map(|(number, _)| *number),
                content_title: content.map(|(_, title)| title),
                user: user.map_or(0, |p| p.number),
                user_name: user.map(|p| p.full_name.clone()).unwrap_or_default(),
                workspace: workspace.map_or(0, |w| w.number),
                workspace_name: workspace.map(|w| w.name.clone()).unwrap_or_default(),
                status: row.status,
                kind: row.kind,
                params: row.params,
                result_data: row.result_data,
                error_message: Some(row.error_message).filter(|message| !message.is_empty()),
                retry_count: row.retry_count,
                started_at: row.started_at,
                completed_at: row.completed_at,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }
        })
        .collect())
}

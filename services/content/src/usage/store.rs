//! The rows of usage. Every query names the organisation.

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::{dsl::sql, prelude::*, sql_types::Int8};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    UsageLogResponse,
    model::{self, Used},
};
use crate::{
    content::store as content, directory::store as directory, job::store as job, schema::usage_logs,
};

#[derive(Insertable)]
#[diesel(table_name = usage_logs)]
pub(crate) struct NewUsage {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) content_id: Option<Uuid>,
    pub(crate) ai_job_id: Option<Uuid>,
    pub(crate) model: String,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_micros: i64,
    pub(crate) duration_ms: i64,
    pub(crate) success: bool,
    pub(crate) error_message: String,
    pub(crate) recorded_at: DateTime<Utc>,
}

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = usage_logs)]
struct UsageRow {
    number: i64,
    organization_id: Uuid,
    workspace_id: Option<Uuid>,
    user_id: Option<Uuid>,
    content_id: Option<Uuid>,
    ai_job_id: Option<Uuid>,
    model: String,
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    cost_micros: i64,
    duration_ms: i64,
    success: bool,
    error_message: String,
    recorded_at: DateTime<Utc>,
}

/// Whose usage, since when.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsageFilter<'a> {
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) model: Option<&'a str>,
    pub(crate) success: Option<bool>,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &UsageFilter<'_>,
) -> usage_logs::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = usage_logs::table
        .filter(usage_logs::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(id) = filter.workspace_id {
        query = query.filter(usage_logs::workspace_id.eq(id));
    }
    if let Some(id) = filter.user_id {
        query = query.filter(usage_logs::user_id.eq(id));
    }
    if let Some(since) = filter.since {
        query = query.filter(usage_logs::recorded_at.ge(since));
    }
    if let Some(model) = filter.model {
        query = query.filter(usage_logs::model.eq(model.to_owned()));
    }
    if let Some(success) = filter.success {
        query = query.filter(usage_logs::success.eq(success));
    }
    query
}

pub(crate) async fn insert_usage(conn: &mut AsyncPgConnection, usage: NewUsage) -> QueryResult<()> {
    diesel::insert_into(usage_logs::table)
        .values(usage)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn list_usage(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &UsageFilter<'_>,
    order: &[Term],
    (limit, offset): (i64, i64),
) -> QueryResult<(i64, Vec<UsageLogResponse>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let mut query = filtered(organization_id, filter);
    for term in order {
        query = match (term.field, term.descending) {
            ("total_tokens", false) => query.then_order_by(usage_logs::total_tokens.asc()),
            ("total_tokens", true) => query.then_order_by(usage_logs::total_tokens.desc()),
            ("estimated_cost", false) => query.then_order_by(usage_logs::cost_micros.asc()),
            ("estimated_cost", true) => query.then_order_by(usage_logs::cost_micros.desc()),
            (_, false) => query.then_order_by(usage_logs::recorded_at.asc()),
            (_, true) => query.then_order_by(usage_logs::recorded_at.desc()),
        };
    }
    let rows: Vec<UsageRow> = query
        .then_order_by((usage_logs::recorded_at.desc(), usage_logs::number.desc()))
        .limit(limit)
        .offset(offset)
        .select(UsageRow::as_select())
        .load(conn)
        .await?;
    Ok((total, show(conn, organization_id, rows).await?))
}

async fn show(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    rows: Vec<UsageRow>,
) -> QueryResult<Vec<UsageLogResponse>> {
    let titles = content::list_titles(conn, rows.iter().filter_map(|row| row.content_id)).await?;
    let people = directory::list_people(conn, rows.iter().filter_map(|row| row.user_id)).await?;
    let workspaces =
        directory::list_workspaces(conn, rows.iter().filter_map(|row| row.workspace_id)).await?;
    let jobs = job::list_numbers(conn, rows.iter().filter_map(|row| row.ai_job_id)).await?;
    let organization = directory::find_organization_number(conn, organization_id).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let content = row.content_id.and_then(|id| titles.get(&id).cloned());
            let user = row.user_id.and_then(|id| people.get(&id));
            UsageLogResponse {
                id: row.number,
                content: content.as_ref().map(|(number, _)| *number),
                content_title: content.map(|(_, title)| title),
                ai_job: row.ai_job_id.and_then(|id| jobs.get(&id).copied()),
                user: user.map(|p| p.number),
                user_name: user.map(|p| p.full_name.clone()),
                workspace: row
                    .workspace_id
                    .and_then(|id| workspaces.get(&id))
                    .map(|w| w.number),
                organization: organization.filter(|_| row.organization_id == organization_id),
                model: row.model,
                prompt_tokens: row.prompt_tokens,
                completion_tokens: row.completion_tokens,
                total_tokens: row.total_tokens,
                estimated_cost: model::six_decimals(row.cost_micros),
                request_duration: model::seconds(row.duration_ms),
                success: row.success,
                error_message: Some(row.error_message).filter(|message| !message.is_empty()),
                timestamp: row.recorded_at,
            }
        })
        .collect())
}

/// Sums by model.
#[derive(Clone, Debug, Queryable)]
pub(crate) struct ModelUse {
    pub(crate) model: String,
    pub(crate) requests: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_micros: i64,
}

pub(crate) async fn sum_by_model(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &UsageFilter<'_>,
) -> QueryResult<Vec<ModelUse>> {
    let mut query = usage_logs::table
        .filter(usage_logs::organization_id.eq(organization_id))
        .group_by(usage_logs::model)
        .select((
            usage_logs::model,
            diesel::dsl::count_star(),
            sql::<Int8>("coalesce(sum(prompt_tokens), 0)::bigint"),
            sql::<Int8>("coalesce(sum(completion_tokens), 0)::bigint"),
            sql::<Int8>("coalesce(sum(total_tokens), 0)::bigint"),
            sql::<Int8>("coalesce(sum(cost_micros), 0)::bigint"),
        ))
        .order(usage_logs::model)
        .into_boxed();
    if let Some(id) = filter.workspace_id {
        query = query.filter(usage_logs::workspace_id.eq(id));
    }
    if let Some(id) = filter.user_id {
        query = query.filter(usage_logs::user_id.eq(id));
    }
    if let Some(since) = filter.since {
        query = query.filter(usage_logs::recorded_at.ge(since));
    }
    query.load(conn).await
}

/// What was used; failed calls count as far as they cost.
pub(crate) async fn sum_usage(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &UsageFilter<'_>,
) -> QueryResult<Used> {
    let rows = sum_by_model(conn, organization_id, filter).await?;
    Ok(rows.into_iter().fold(Used::default(), |sum, row| Used {
        requests: sum.requests + row.requests,
        tokens: sum.tokens + row.total_tokens,
        cost_micros: sum.cost_micros + row.cost_micros,
    }))
}

//! The rows of usage and limits. Every query names the organisation.

use chrono::{DateTime, Utc};
use common_types::ordering::Term;
use diesel::{dsl::sql, prelude::*, sql_types::Int8};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    LimitResponse, UsageLogResponse,
    model::{self, Bounds, Used},
};
use crate::{
    content::store as content,
    directory::store as directory,
    job::store as job,
    schema::{usage_limits, usage_logs},
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

#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = usage_limits)]
pub(crate) struct LimitRow {
    pub(crate) id: Uuid,
    pub(crate) number: i64,
    pub(crate) organization_id: Uuid,
    pub(crate) scope: String,
    pub(crate) scope_id: Uuid,
    pub(crate) scope_number: i64,
    pub(crate) requests_limit: Option<i64>,
    pub(crate) tokens_limit: Option<i64>,
    pub(crate) cost_limit_micros: Option<i64>,
    pub(crate) period: String,
    pub(crate) row_version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl LimitRow {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            requests: self.requests_limit,
            tokens: self.tokens_limit,
            cost_micros: self.cost_limit_micros,
        }
    }

    pub(crate) fn show(self) -> LimitResponse {
        LimitResponse {
            id: self.number,
            scope: self.scope,
            scope_id: self.scope_number,
            requests_limit: self.requests_limit,
            tokens_limit: self.tokens_limit,
            cost_limit: self.cost_limit_micros.map(model::dollars),
            period: self.period,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = usage_limits)]
pub(crate) struct NewLimit<'a> {
    pub(crate) id: Uuid,
    pub(crate) organization_id: Uuid,
    pub(crate) scope: &'a str,
    pub(crate) scope_id: Uuid,
    pub(crate) scope_number: i64,
    pub(crate) requests_limit: Option<i64>,
    pub(crate) tokens_limit: Option<i64>,
    pub(crate) cost_limit_micros: Option<i64>,
    pub(crate) period: &'a str,
    pub(crate) created_by: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

#[derive(AsChangeset)]
#[diesel(table_name = usage_limits)]
pub(crate) struct LimitChange<'a> {
    pub(crate) requests_limit: Option<Option<i64>>,
    pub(crate) tokens_limit: Option<Option<i64>>,
    pub(crate) cost_limit_micros: Option<Option<i64>>,
    pub(crate) period: Option<&'a str>,
    pub(crate) updated_at: DateTime<Utc>,
}

pub(crate) async fn insert_limit(
    conn: &mut AsyncPgConnection,
    limit: NewLimit<'_>,
) -> QueryResult<LimitRow> {
    diesel::insert_into(usage_limits::table)
        .values(limit)
        .returning(LimitRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn lock_limit(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<LimitRow>> {
    usage_limits::table
        .filter(
            usage_limits::organization_id
                .eq(organization_id)
                .and(usage_limits::number.eq(number)),
        )
        .select(LimitRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn find_limit(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    number: i64,
) -> QueryResult<Option<LimitRow>> {
    usage_limits::table
        .filter(
            usage_limits::organization_id
                .eq(organization_id)
                .and(usage_limits::number.eq(number)),
        )
        .select(LimitRow::as_select())
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn update_limit(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    change: LimitChange<'_>,
) -> QueryResult<LimitRow> {
    diesel::update(usage_limits::table.find(id))
        .set((
            change,
            usage_limits::row_version.eq(usage_limits::row_version + 1),
        ))
        .returning(LimitRow::as_returning())
        .get_result(conn)
        .await
}

pub(crate) async fn delete_limit(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    diesel::delete(usage_limits::table.find(id))
        .execute(conn)
        .await?;
    Ok(())
}

/// Every limit that binds a call of `user_id` in `workspace_id`.
pub(crate) async fn list_binding(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    workspace_id: Uuid,
    user_id: Uuid,
) -> QueryResult<Vec<LimitRow>> {
    let binds = usage_limits::scope
        .eq("user")
        .and(usage_limits::scope_id.eq(user_id))
        .or(usage_limits::scope
            .eq("workspace")
            .and(usage_limits::scope_id.eq(workspace_id)))
        .or(usage_limits::scope
            .eq("organization")
            .and(usage_limits::scope_id.eq(organization_id)));
    usage_limits::table
        .filter(usage_limits::organization_id.eq(organization_id).and(binds))
        .select(LimitRow::as_select())
        .load(conn)
        .await
}

/// What a list of limits asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitFilter<'a> {
    pub(crate) scope: Option<&'a str>,
    pub(crate) scope_number: Option<i64>,
    pub(crate) period: Option<&'a str>,
}

pub(crate) async fn list_limits(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &LimitFilter<'_>,
    (limit, offset): (i64, i64),
) -> QueryResult<(i64, Vec<LimitRow>)> {
    let filtered = || {
        let mut query = usage_limits::table
            .filter(usage_limits::organization_id.eq(organization_id))
            .into_boxed();
        if let Some(scope) = filter.scope {
            query = query.filter(usage_limits::scope.eq(scope.to_owned()));
        }
        if let Some(number) = filter.scope_number {
            query = query.filter(usage_limits::scope_number.eq(number));
        }
        if let Some(period) = filter.period {
            query = query.filter(usage_limits::period.eq(period.to_owned()));
        }
        query
    };
    let total = filtered().count().get_result(conn).await?;
    let rows = filtered()
        .order(usage_limits::number)
        .limit(limit)
        .offset(offset)
        .select(LimitRow::as_select())
        .load(conn)
        .await?;
    Ok((total, rows))
}

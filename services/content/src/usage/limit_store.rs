//! The rows of limits. Every query names the organisation.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    LimitResponse,
    model::{self, Bounds},
};
use crate::schema::usage_limits;

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

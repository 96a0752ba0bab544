//! Rule rows.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::{Rule, Scope};
use crate::schema::{providers, rate_limit_rules};

/// A rule on the wire (wire.md 3.8).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleResponse {
    id: Uuid,
    provider: Option<Uuid>,
    provider_name: Option<String>,
    organization: Option<Uuid>,
    name: String,
    endpoint_pattern: String,
    max_requests: i32,
    time_window_seconds: i32,
    scope: String,
    is_active: bool,
    rate_description: String,
    /// The rule in one line.
    display: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A rule as stored.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = rate_limit_rules)]
pub(crate) struct RuleRow {
    pub(crate) id: Uuid,
    pub(crate) provider_id: Option<Uuid>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) endpoint_pattern: String,
    pub(crate) max_requests: i32,
    pub(crate) time_window_seconds: i32,
    pub(crate) scope: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl RuleRow {
    /// The rule as it counts.
    pub(crate) fn rule(&self) -> Option<Rule> {
        Some(Rule {
            id: self.id,
            organization_id: self.organization_id,
            provider_id: self.provider_id,
            endpoint_pattern: self.endpoint_pattern.clone(),
            max_requests: self.max_requests,
            time_window_seconds: self.time_window_seconds,
            scope: Scope::parse(&self.scope)?,
        })
    }

    /// The rule as it is shown.
    pub(crate) fn response(self, provider_name: Option<String>) -> RuleResponse {
        let (max, window) = (self.max_requests, self.time_window_seconds);
        let provider = provider_name.as_deref().unwrap_or("*");
        RuleResponse {
            display: format!("{provider} - {} ({max}/{window}s)", self.name),
            id: self.id,
            provider: self.provider_id,
            provider_name,
            organization: self.organization_id,
            name: self.name,
            endpoint_pattern: self.endpoint_pattern,
            max_requests: max,
            time_window_seconds: window,
            scope: self.scope,
            is_active: self.is_active,
            rate_description: format!("{max} درخواست در {window} ثانیه"),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Every rule in force.
pub(super) async fn list_live(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Rule>> {
    let rows: Vec<RuleRow> = rate_limit_rules::table
        .filter(rate_limit_rules::is_active)
        .select(RuleRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.iter().filter_map(RuleRow::rule).collect())
}

/// Which rules are shown.
#[derive(Debug, Default)]
pub(super) struct RuleFilter {
    /// `None`: every organisation's and the platform's (superuser).
    pub(super) organization_id: Option<Uuid>,
    pub(super) id: Option<Uuid>,
    pub(super) provider: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) active_only: bool,
    pub(super) search: Option<String>,
}

pub(super) async fn list_rules(
    conn: &mut AsyncPgConnection,
    filter: &RuleFilter,
    offset: i64,
    limit: i64,
) -> QueryResult<(i64, Vec<(RuleRow, Option<String>)>)> {
    let selected = || {
        let mut query = rate_limit_rules::table
            .left_join(
                providers::table.on(rate_limit_rules::provider_id.eq(providers::id.nullable())),
            )
            .into_boxed::<diesel::pg::Pg>();
        if let Some(organization) = filter.organization_id {
            query = query.filter(rate_limit_rules::organization_id.eq(organization));
        }
        if let Some(id) = filter.id {
            query = query.filter(rate_limit_rules::id.eq(id));
        }
        if let Some(provider) = &filter.provider {
            query = query.filter(providers::slug.eq(provider.clone()));
        }
        if let Some(scope) = &filter.scope {
            query = query.filter(rate_limit_rules::scope.eq(scope.clone()));
        }
        if filter.active_only {
            query = query.filter(rate_limit_rules::is_active);
        }
        if let Some(search) = &filter.search {
            let escaped = search
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            let pattern = format!("%{escaped}%");
            query = query.filter(
                rate_limit_rules::name
                    .ilike(pattern.clone())
                    .or(rate_limit_rules::endpoint_pattern.ilike(pattern)),
            );
        }
        query
    };
    let count = selected().count().get_result(conn).await?;
    let rows = selected()
        .order((rate_limit_rules::name, rate_limit_rules::id))
        .offset(offset)
        .limit(limit)
        .select((RuleRow::as_select(), providers::name.nullable()))
        .load(conn)
        .await?;
    Ok((count, rows))
}

pub(super) async fn insert_rule(conn: &mut AsyncPgConnection, row: &RuleRow) -> QueryResult<()> {
    diesel::insert_into(rate_limit_rules::table)
        .values(row)
        .execute(conn)
        .await
        .map(|_| ())
}

pub(super) async fn update_rule(conn: &mut AsyncPgConnection, row: &RuleRow) -> QueryResult<usize> {
    diesel::update(rate_limit_rules::table.find(row.id))
        .set((
            rate_limit_rules::provider_id.eq(row.provider_id),
            rate_limit_rules::name.eq(&row.name),
            rate_limit_rules::endpoint_pattern.eq(&row.endpoint_pattern),
            rate_limit_rules::max_requests.eq(row.max_requests),
            rate_limit_rules::time_window_seconds.eq(row.time_window_seconds),
            rate_limit_rules::scope.eq(&row.scope),
            rate_limit_rules::is_active.eq(row.is_active),
            rate_limit_rules::updated_at.eq(row.updated_at),
            rate_limit_rules::version.eq(rate_limit_rules::version + 1),
        ))
        .execute(conn)
        .await
}

pub(super) async fn delete_rule(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<usize> {
    diesel::delete(rate_limit_rules::table.find(id))
        .execute(conn)
        .await
}

/// Whether a provider exists.
pub(super) async fn provider_exists(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(providers::table.find(id)))
        .get_result(conn)
        .await
}

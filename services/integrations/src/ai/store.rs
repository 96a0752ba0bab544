//! Calls, counters and limits.

use chrono::{DateTime, NaiveDate, Utc};
use common_types::events::content::{LimitPeriod, LimitScope, UsageLimitChanged};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::model::{Amount, Counter, Limit};
use crate::schema::{ai_calls, usage_counters, usage_limits};

/// A call as stored.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = ai_calls)]
pub(crate) struct CallRow {
    pub(crate) id: Uuid,
    pub(crate) reservation_key: String,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) content_id: Option<Uuid>,
    pub(crate) purpose: String,
    pub(crate) state: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) reserved_tokens: i64,
    pub(crate) reserved_cost_micros: i64,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_micros: i64,
    pub(crate) duration_ms: i64,
    pub(crate) error_code: Option<String>,
    pub(crate) answer_sealed: Option<String>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
}

/// A new reservation.
#[derive(Clone, Insertable, AsChangeset)]
#[diesel(table_name = ai_calls)]
pub(crate) struct NewCall {
    pub(crate) id: Uuid,
    pub(crate) owner: String,
    pub(crate) reservation_key: String,
    pub(crate) organization_id: Uuid,
    pub(crate) workspace_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) content_id: Option<Uuid>,
    pub(crate) purpose: String,
    pub(crate) state: &'static str,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) reserved_tokens: i64,
    pub(crate) reserved_cost_micros: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

pub(crate) async fn lock_call(
    conn: &mut AsyncPgConnection,
    owner: &str,
    key: &str,
) -> QueryResult<Option<CallRow>> {
    ai_calls::table
        .filter(ai_calls::owner.eq(owner))
        .filter(ai_calls::reservation_key.eq(key))
        .select(CallRow::as_select())
        .for_update()
        .first(conn)
        .await
        .optional()
}

pub(crate) async fn get_call(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<CallRow> {
    ai_calls::table
        .find(id)
        .select(CallRow::as_select())
        .for_update()
        .first(conn)
        .await
}

/// False when the key was taken in this very moment by another call.
pub(crate) async fn insert_call(conn: &mut AsyncPgConnection, new: NewCall) -> QueryResult<bool> {
    let rows = diesel::insert_into(ai_calls::table)
        .values(new)
        .on_conflict((ai_calls::owner, ai_calls::reservation_key))
        .do_nothing()
        .execute(conn)
        .await?;
    Ok(rows == 1)
}

/// Reserves again for a call that failed.
pub(crate) async fn update_reserved(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    new: NewCall,
) -> QueryResult<usize> {
    let again = NewCall { id, ..new };
    diesel::update(ai_calls::table.find(id))
        .set((
            again,
            ai_calls::version.eq(ai_calls::version + 1),
            ai_calls::error_code.eq(None::<String>),
        ))
        .execute(conn)
        .await
}

/// What a settled call was.
#[derive(Clone, AsChangeset)]
#[diesel(table_name = ai_calls)]
pub(crate) struct Settlement {
    pub(crate) state: &'static str,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) total_tokens: i64,
    pub(crate) cost_micros: i64,
    pub(crate) duration_ms: i64,
    pub(crate) error_code: Option<String>,
    pub(crate) answer_sealed: Option<String>,
    pub(crate) settled_at: Option<DateTime<Utc>>,
}

pub(crate) async fn update_settled(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    settlement: Settlement,
) -> QueryResult<CallRow> {
    diesel::update(ai_calls::table.find(id))
        .set((settlement, ai_calls::version.eq(ai_calls::version + 1)))
        .returning(CallRow::as_returning())
        .get_result(conn)
        .await
}

/// Adds to a counter (negative gives back) and answers what it holds then. The row stays locked until the transaction ends.
pub(crate) async fn add_to_counter(
    conn: &mut AsyncPgConnection,
    counter: Counter,
    window_start: NaiveDate,
    amount: Amount,
) -> QueryResult<Amount> {
    let (requests, tokens, cost_micros): (i64, i64, i64) =
        diesel::insert_into(usage_counters::table)
            .values((
                usage_counters::scope.eq(counter.scope),
                usage_counters::scope_id.eq(counter.scope_id),
                usage_counters::organization_id.eq(counter.organization_id),
                usage_counters::period.eq(counter.period),
                usage_counters::window_start.eq(window_start),
                usage_counters::requests.eq(amount.requests),
                usage_counters::tokens.eq(amount.tokens),
                usage_counters::cost_micros.eq(amount.cost_micros),
            ))
            .on_conflict((
                usage_counters::scope,
                usage_counters::scope_id,
                usage_counters::organization_id,
                usage_counters::period,
                usage_counters::window_start,
            ))
            .do_update()
            .set((
                usage_counters::requests
                    .eq(usage_counters::requests + excluded(usage_counters::requests)),
                usage_counters::tokens
                    .eq(usage_counters::tokens + excluded(usage_counters::tokens)),
                usage_counters::cost_micros
                    .eq(usage_counters::cost_micros + excluded(usage_counters::cost_micros)),
            ))
            .returning((
                usage_counters::requests,
                usage_counters::tokens,
                usage_counters::cost_micros,
            ))
            .get_result(conn)
            .await?;
    Ok(Amount {
        requests,
        tokens,
        cost_micros,
    })
}

/// Limits that bind any of these scopes.
pub(crate) async fn list_limits(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    scopes: &[(&'static str, Uuid)],
) -> QueryResult<Vec<Limit>> {
    let ids: Vec<Uuid> = scopes.iter().map(|(_, id)| *id).collect();
    type Row = (String, Uuid, String, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = usage_limits::table
        .filter(usage_limits::organization_id.eq(organization_id))
        .filter(usage_limits::is_deleted.eq(false))
        .filter(usage_limits::scope_id.eq_any(ids))
        .select((
            usage_limits::scope,
            usage_limits::scope_id,
            usage_limits::period,
            usage_limits::requests_limit,
            usage_limits::tokens_limit,
            usage_limits::cost_limit_micros,
        ))
        .load(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(
            |(scope, scope_id, period, requests, tokens, cost_micros)| Limit {
                scope,
                scope_id,
                period,
                requests,
                tokens,
                cost_micros,
            },
        )
        .filter(|limit| {
            scopes
                .iter()
                .any(|(scope, id)| *scope == limit.scope && *id == limit.scope_id)
        })
        .collect())
}

/// Keeps content's limit, unless a newer one is known.
pub(crate) async fn upsert_limit(
    conn: &mut AsyncPgConnection,
    event: &UsageLimitChanged,
) -> QueryResult<()> {
    let scope = match event.scope {
        LimitScope::User => "user",
        LimitScope::Workspace => "workspace",
        LimitScope::Organization => "organization",
    };
    let period = match event.period {
        LimitPeriod::Monthly => "monthly",
        LimitPeriod::Daily => "daily",
    };
    diesel::sql_query(
        "INSERT INTO usage_limits (id, organization_id, scope, scope_id, period, requests_limit, tokens_limit, \
         cost_limit_micros, is_deleted, version, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (id) DO UPDATE SET organization_id = $2, scope = $3, scope_id = $4, period = $5, requests_limit = $6, \
         tokens_limit = $7, cost_limit_micros = $8, is_deleted = $9, version = $10, changed_at = $11 \
         WHERE usage_limits.version < $10",
    )
    .bind::<diesel::sql_types::Uuid, _>(event.limit_id)
    .bind::<diesel::sql_types::Uuid, _>(event.organization_id)
    .bind::<diesel::sql_types::Text, _>(scope)
    .bind::<diesel::sql_types::Uuid, _>(event.scope_id)
    .bind::<diesel::sql_types::Text, _>(period)
    .bind::<diesel::sql_types::Nullable<diesel::sql_types::BigInt>, _>(event.requests_limit)
    .bind::<diesel::sql_types::Nullable<diesel::sql_types::BigInt>, _>(event.tokens_limit)
    .bind::<diesel::sql_types::Nullable<diesel::sql_types::BigInt>, _>(event.cost_limit_micros)
    .bind::<diesel::sql_types::Bool, _>(event.is_deleted)
    .bind::<diesel::sql_types::BigInt, _>(event.aggregate_version)
    .bind::<diesel::sql_types::Timestamptz, _>(event.changed_at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Reservations whose process died.
pub(crate) async fn list_expired(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> QueryResult<Vec<Uuid>> {
    ai_calls::table
        .filter(ai_calls::state.eq("reserved"))
        .filter(ai_calls::expires_at.lt(now))
        .select(ai_calls::id)
        .order(ai_calls::expires_at)
        .limit(most)
        .load(conn)
        .await
}

/// Forgets answers that were settled before.
pub(crate) async fn wipe_answers(
    conn: &mut AsyncPgConnection,
    before: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(
        ai_calls::table
            .filter(ai_calls::answer_sealed.is_not_null())
            .filter(ai_calls::settled_at.lt(before)),
    )
    .set(ai_calls::answer_sealed.eq(None::<String>))
    .execute(conn)
    .await
}

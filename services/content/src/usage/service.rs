//! Setting limits, and telling early that one is spent.

use chrono::{DateTime, Utc};
use common_types::events::content::{LimitPeriod, LimitScope, UsageLimitChanged};
use diesel_async::AsyncPgConnection;
use service_events::outbox;
use service_http::ServiceDefinition as _;
use uuid::Uuid;

use super::{
    CreateLimitRequest, LimitResponse, UpdateLimitRequest,
    error::UsageError,
    limit_store::{self, LimitChange, LimitRow, NewLimit},
    model::{self, Bounds},
    store::{self, UsageFilter},
};
use crate::{AppState, ContentService, actor::Actor, directory::store as directory, trail};

/// A new limit of the actor's organisation.
pub(crate) async fn create_limit(
    state: &AppState,
    actor: &Actor,
    request: &CreateLimitRequest,
) -> Result<LimitResponse, UsageError> {
    let now = state.now();
    let bounds: UpdateLimitRequest = request.clone().into();
    let bounds = &bounds;
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            directory::insert_actor(conn, actor, now).await?;
            let new = NewLimit {
                id: Uuid::now_v7(),
                organization_id: actor.organization_id,
                scope: &request.scope,
                scope_id: scope_id(
                    conn,
                    actor.organization_id,
                    &request.scope,
                    request.scope_id,
                )
                .await?,
                scope_number: request.scope_id,
                requests_limit: request.requests_limit,
                tokens_limit: request.tokens_limit,
                cost_limit_micros: bounds.cost_micros().flatten(),
                period: request.period.as_deref().unwrap_or("monthly"),
                created_by: actor.user_id,
                created_at: now,
                updated_at: now,
            };
            let row = limit_store::insert_limit(conn, new).await?;
            tell(conn, actor, &row, false, "usage_limit.created", now).await?;
            Ok::<_, UsageError>(row)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(row.show())
}

/// Changes the bounds of a limit.
pub(crate) async fn update_limit(
    state: &AppState,
    actor: &Actor,
    number: i64,
    request: &UpdateLimitRequest,
) -> Result<LimitResponse, UsageError> {
    let now = state.now();
    let row = state
        .stack
        .db
        .transaction(async |conn| {
            let row = limit_store::lock_limit(conn, actor.organization_id, number)
                .await?
                .ok_or(UsageError::NotFound)?;
            let same_scope = request
                .scope
                .as_ref()
                .is_none_or(|scope| *scope == row.scope);
            if !same_scope
                || request
                    .scope_id
                    .is_some_and(|number| number != row.scope_number)
            {
                return Err(UsageError::ScopeChanged);
            }
            let change = LimitChange {
                requests_limit: request.requests_limit,
                tokens_limit: request.tokens_limit,
                cost_limit_micros: request.cost_micros(),
                period: request.period.as_deref(),
                updated_at: now,
            };
            let row = limit_store::update_limit(conn, row.id, change).await?;
            tell(conn, actor, &row, false, "usage_limit.updated", now).await?;
            Ok(row)
        })
        .await?;
    state.stack.outbox.wake();
    Ok(row.show())
}

/// Removes a limit.
pub(crate) async fn delete_limit(
    state: &AppState,
    actor: &Actor,
    number: i64,
) -> Result<(), UsageError> {
    let now = state.now();
    state
        .stack
        .db
        .transaction(async |conn| {
            let mut row = limit_store::lock_limit(conn, actor.organization_id, number)
                .await?
                .ok_or(UsageError::NotFound)?;
            row.row_version += 1;
            limit_store::delete_limit(conn, row.id).await?;
            tell(conn, actor, &row, true, "usage_limit.deleted", now).await?;
            Ok::<_, UsageError>(())
        })
        .await?;
    state.stack.outbox.wake();
    Ok(())
}

async fn tell(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    row: &LimitRow,
    is_deleted: bool,
    action: &'static str,
    now: DateTime<Utc>,
) -> Result<(), UsageError> {
    let event = UsageLimitChanged {
        limit_id: row.id,
        aggregate_version: row.row_version,
        organization_id: row.organization_id,
        scope: match row.scope.as_str() {
            "user" => LimitScope::User,
            "workspace" => LimitScope::Workspace,
            _ => LimitScope::Organization,
        },
        scope_id: row.scope_id,
        requests_limit: row.requests_limit,
        tokens_limit: row.tokens_limit,
        cost_limit_micros: row.cost_limit_micros,
        period: if row.period == "daily" {
            LimitPeriod::Daily
        } else {
            LimitPeriod::Monthly
        },
        is_deleted,
        changed_at: now,
    };
    outbox::emit(conn, ContentService::NAME, &event, now).await?;
    trail::record_action(conn, actor, action, "usage_limit", row.id, now).await?;
    Ok(())
}

async fn scope_id(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    scope: &str,
    number: i64,
) -> Result<Uuid, UsageError> {
    let found = match scope {
        "user" => directory::find_member(conn, organization_id, number)
            .await?
            .map(|person| person.id),
        "workspace" => directory::find_workspace(conn, organization_id, number)
            .await?
            .map(|workspace| workspace.id),
        _ => directory::find_organization_number(conn, organization_id)
            .await?
            .filter(|own| *own == number)
            .map(|_| organization_id),
    };
    found.ok_or(UsageError::UnknownScope(number))
}

/// The sentence for a limit that is spent already, so that nobody waits for a job that must fail. The binding decision is
/// made by integrations at the call (decisions.md 16).
pub(crate) async fn spent_limit(
    conn: &mut AsyncPgConnection,
    state: &AppState,
    actor: &Actor,
    workspace_id: Uuid,
) -> diesel::QueryResult<Option<String>> {
    let (now, offset) = (state.now(), state.usage.utc_offset_minutes);
    let limits =
        limit_store::list_binding(conn, actor.organization_id, workspace_id, actor.user_id).await?;
    for limit in &limits {
        let filter = UsageFilter {
            workspace_id: (limit.scope == "workspace").then_some(workspace_id),
            user_id: (limit.scope == "user").then_some(actor.user_id),
            since: Some(model::window_start(&limit.period, now, offset)),
            ..UsageFilter::default()
        };
        let used = store::sum_usage(conn, actor.organization_id, &filter).await?;
        if let Some(sentence) = model::spent(&limit.period, limit.bounds(), used) {
            return Ok(Some(sentence));
        }
    }
    let budget = state.usage.default_monthly_budget_cents * (model::DOLLAR / 100);
    if budget == 0 || limits.iter().any(|limit| limit.scope == "workspace") {
        return Ok(None);
    }
    let filter = UsageFilter {
        workspace_id: Some(workspace_id),
        since: Some(model::window_start("monthly", now, offset)),
        ..UsageFilter::default()
    };
    let used = store::sum_usage(conn, actor.organization_id, &filter).await?;
    let bounds = Bounds {
        cost_micros: Some(budget),
        ..Bounds::default()
    };
    Ok(model::spent("monthly", bounds, used)
        .map(|sentence| format!("{sentence}. Please upgrade your plan or wait until next month.")))
}

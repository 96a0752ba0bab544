//! `GET /api/auth/audit/`: what happened to the caller's own account.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_audit::AuditFilter;
use service_http::{ApiError, Caller, Query};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::state::AppState;

/// Rows of an answer when the caller does not say.
const ROWS: i64 = 50;

/// Which events.
#[derive(Debug, Default, Deserialize)]
pub struct OwnEvents {
    /// Only this action, such as `auth.logged_in`.
    pub action: Option<String>,
    /// Only `success`, `denied` or `failed`.
    pub outcome: Option<String>,
    /// Rows, 1 to 200.
    pub limit: Option<i64>,
    /// `next_cursor` of the answer before.
    pub cursor: Option<String>,
}

/// One event of the account.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnEvent {
    /// The row's id.
    pub id: Uuid,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// What.
    pub action: String,
    /// `success`, `denied` or `failed`.
    pub outcome: String,
    /// The account's owner did it.
    pub by_you: bool,
    /// From where.
    pub ip: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
}

/// The caller's own events, newest first: logins and refused ones, changes of password, phone and second factor.
#[utoipa::path(get, path = "/api/auth/audit/", tag = "sessions", operation_id = "list_own_events",
    params(("action" = Option<String>, Query, description = "Only this action"), ("outcome" = Option<String>, Query, description = "Only this outcome"),
        ("limit" = Option<i64>, Query, description = "Rows, 1 to 200"), ("cursor" = Option<String>, Query, description = "`next_cursor`")),
    responses((status = 200, description = "`results` and `next_cursor`")))]
pub async fn list_own_events(
    state: web::Data<AppState>,
    caller: Caller,
    query: Query<OwnEvents>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let limit = query
        .limit
        .unwrap_or(ROWS)
        .clamp(1, service_audit::MAX_ROWS);
    let own = caller.sub.to_string();
    let filter = AuditFilter {
        subject: Some(own.clone()),
        action: query.action,
        outcome: query.outcome,
        before: query.cursor.as_deref().map(read_cursor).transpose()?,
        limit,
        ..AuditFilter::default()
    };
    let mut conn = state.stack.db.get().await?;
    let rows = service_audit::list(&mut conn, &filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows
        .last()
        .filter(|_| full)
        .map(|row| format!("{}_{}", row.occurred_at.timestamp_micros(), row.id));
    let shown: Vec<OwnEvent> = rows
        .into_iter()
        .map(|row| OwnEvent {
            id: row.id,
            occurred_at: row.occurred_at,
            action: row.action,
            outcome: row.outcome,
            by_you: row.actor == own,
            ip: row.ip,
            request_id: row.request_id,
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": shown, "next_cursor": next})))
}

fn read_cursor(cursor: &str) -> Result<(DateTime<Utc>, Uuid), ApiError> {
    let parts = cursor
        .split_once('_')
        .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parts
        .and_then(|(micros, id)| Some((DateTime::from_timestamp_micros(micros)?, id)))
        .ok_or_else(|| ApiError::bad_request("request.cursor", "Invalid cursor."))
}

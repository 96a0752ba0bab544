//! `/api/admin/auth-otp/shield/blocks/`: the block list.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_http::text::required;
use service_http::{
    Allowed, ApiError, ClientIp, Json, PageQuery, Path, Query, Superuser, paginate,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::http::{MAX_REASON, entry, seconds};
use super::model;
use super::store::{self, BlockRow};
use crate::state::AppState;
use crate::validate::Errors;

/// A blocked source as shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlockResponse {
    /// The row.
    pub id: Uuid,
    /// An address or a network.
    pub source: String,
    /// Why.
    pub reason: String,
    /// How often it was blocked.
    pub times: i32,
    /// Who; absent when the platform did it.
    pub created_by: Option<Uuid>,
    /// Since when.
    pub blocked_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl From<BlockRow> for BlockResponse {
    fn from(row: BlockRow) -> Self {
        Self {
            id: row.id,
            source: row.source,
            reason: row.reason,
            times: row.times,
            created_by: row.created_by,
            blocked_at: row.blocked_at,
            expires_at: row.expires_at,
        }
    }
}

/// A source to be blocked.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BlockRequest {
    /// An address, a /24, or a /64 or /48 of IPv6.
    pub source: Option<String>,
    /// Kept in the row and the audit trail.
    pub reason: Option<String>,
    /// 1 to a year.
    pub seconds: Option<i64>,
}

/// Living blocks, those that end last first; `search` is the beginning of a source.
#[utoipa::path(get, path = "/api/admin/auth-otp/shield/blocks/", tag = "shield", operation_id = "list_blocked_sources",
    responses((status = 200, description = "A page of blocked sources"), (status = 403)))]
pub async fn list_blocks(
    state: web::Data<AppState>,
    _: Allowed<Superuser>,
    request: HttpRequest,
    page: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut conn = state.stack.db.get().await?;
    let (count, rows) = store::list_blocks(
        &mut conn,
        page.search(),
        state.now(),
        page.offset(),
        page.limit(),
    )
    .await?;
    let shown: Vec<BlockResponse> = rows.into_iter().map(BlockResponse::from).collect();
    Ok(HttpResponse::Ok().json(paginate(&request, &page, count, shown)?))
}

/// Blocks a source.
#[utoipa::path(post, path = "/api/admin/auth-otp/shield/blocks/", tag = "shield", operation_id = "block_source",
    request_body = BlockRequest, responses((status = 201, body = BlockResponse), (status = 400), (status = 403)))]
pub async fn create_block(
    state: web::Data<AppState>,
    who: Allowed<Superuser>,
    ClientIp(ip): ClientIp,
    body: Json<BlockRequest>,
) -> Result<HttpResponse, ApiError> {
    let body = body.into_inner();
    let mut errors = Errors::new();
    let source = match body.source.as_deref() {
        None => {
            errors.add("source", required());
            None
        }
        Some(text) => {
            let source = model::parse_source(text);
            if source.is_none() {
                errors.add(
                    "source",
                    "An address, a /24, or a /64 or /48 of IPv6 is expected.",
                );
            }
            source
        }
    };
    let reason = errors.required("reason", body.reason, MAX_REASON);
    let length = seconds(body.seconds, &mut errors);
    if length.is_none() && body.seconds.is_none() {
        errors.add("seconds", required());
    }
    errors.into_result()?;
    let (Some(source), Some(length)) = (source, length) else {
        return Err(ApiError::invalid());
    };
    let now = state.now();
    let actor = who.sub;
    let entry = entry(&who, ip, "auth.source_blocked", now);
    let row = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<BlockRow, ApiError> {
                let times = store::lock_block(conn, &source)
                    .await?
                    .map_or(1, |row| row.times.saturating_add(1));
                let expires_at = now + length;
                let id =
                    store::put_block(conn, &source, &reason, times, Some(actor), now, expires_at)
                        .await?;
                let entry = entry
                    .clone()
                    .subject("blocked_source", id)
                    .details(json!({"reason": reason, "until": expires_at}));
                service_audit::record(conn, entry).await?;
                Ok(BlockRow {
                    id,
                    source: source.clone(),
                    reason: reason.clone(),
                    times,
                    created_by: Some(actor),
                    blocked_at: now,
                    expires_at,
                })
            },
        )
        .await?;
    state.shield.snapshots.forget();
    Ok(HttpResponse::Created().json(BlockResponse::from(row)))
}

/// Lifts a block.
#[utoipa::path(delete, path = "/api/admin/auth-otp/shield/blocks/{id}/", tag = "shield", operation_id = "unblock_source",
    params(("id" = Uuid, Path)), responses((status = 204), (status = 403), (status = 404)))]
pub async fn delete_block(
    state: web::Data<AppState>,
    who: Allowed<Superuser>,
    ClientIp(ip): ClientIp,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let now = state.now();
    let id = *id;
    let entry = entry(&who, ip, "auth.source_unblocked", now).subject("blocked_source", id);
    let stood = state
        .stack
        .db
        .transaction(
            async |conn: &mut AsyncPgConnection| -> Result<bool, ApiError> {
                if !store::end_block(conn, id, now).await? {
                    return Ok(false);
                }
                service_audit::record(conn, entry.clone()).await?;
                Ok(true)
            },
        )
        .await?;
    if !stood {
        return Err(ApiError::not_found(
            "shield.unknown_block",
            "There is no such block.",
        ));
    }
    state.shield.snapshots.forget();
    Ok(HttpResponse::NoContent().finish())
}

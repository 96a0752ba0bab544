//! What the staff console sees of every service: `/api/admin/{service}/**` (decision 37).
//!
//! Platform-wide things (settings, queues, the chain) are for superusers; the audit trail of a
//! clinic also for its admins, who see their own clinic's rows and no others.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Data, ServiceConfig},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use service_audit::{ActorKind, AuditEntry, AuditFilter};
use service_events::{EventsError, dead_letters};
use uuid::Uuid;

use crate::{
    error::ApiError,
    extract::{Allowed, ClinicAdmin, Path, Query, Superuser, client_ip},
    stack::Stack,
};

/// Rows of the audit trail on a page when the caller does not say.
const AUDIT_ROWS: i64 = 50;

/// The settings of the running process, secrets masked.
struct Shown(Arc<str>);

pub(crate) fn configure(config: &mut ServiceConfig, service: &str, settings: Arc<str>) {
    let at = |path: &str| web::resource(format!("/api/admin/{service}/{path}"));
    config
        .app_data(Data::new(Shown(settings)))
        .service(at("settings").get(show_settings))
        .service(at("outbox").get(show_outbox))
        .service(at("dead-letters").get(list_dead_letters))
        .service(at("dead-letters/{id}").get(show_dead_letter))
        .service(at("dead-letters/{id}/replay").post(replay_dead_letter))
        .service(at("audit").get(list_audit))
        .service(at("audit/chain").get(verify_audit));
}

async fn show_settings(_: Allowed<Superuser>, shown: Data<Shown>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"settings": *shown.0}))
}

async fn show_outbox(_: Allowed<Superuser>, stack: Data<Stack>) -> Result<HttpResponse, ApiError> {
    let status = service_events::outbox_status(&stack.db).await?;
    Ok(HttpResponse::Ok().json(json!({
        "unpublished": status.unpublished,
        "lag_seconds": status.lag_seconds,
        "dead_letters": status.dead_letters,
    })))
}

#[derive(Deserialize)]
struct DeadLetterQuery {
    queue: Option<String>,
    replayed: Option<bool>,
    limit: Option<i64>,
}

async fn list_dead_letters(
    _: Allowed<Superuser>,
    stack: Data<Stack>,
    query: Query<DeadLetterQuery>,
) -> Result<HttpResponse, ApiError> {
    let filter = dead_letters::Filter {
        queue: query.queue.clone(),
        replayed: query.replayed.unwrap_or(false),
        limit: query.limit.unwrap_or(100).clamp(1, 500),
    };
    let letters = dead_letters::list(&stack.db, &filter)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"results": letters})))
}

async fn show_dead_letter(
    _: Allowed<Superuser>,
    stack: Data<Stack>,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(dead_letters::show(&stack.db, *id).await.map_err(refusal)?))
}

async fn replay_dead_letter(
    operator: Allowed<Superuser>,
    stack: Data<Stack>,
    request: HttpRequest,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let now = stack.clock.now();
    let entry = AuditEntry::new(operator.sub, ActorKind::User, "dead_letter.replayed", now)
        .subject("dead_letter", *id)
        .origin(
            Some(client_ip(&request)),
            service_telemetry::current_request_id(),
        );
    // The row first: what follows goes over the network and cannot be taken back.
    service_audit::record(&mut *stack.db.get().await?, entry).await?;
    dead_letters::replay(&stack.db, &stack.broker, *id, now)
        .await
        .map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"replayed": *id})))
}

fn refusal(error: EventsError) -> ApiError {
    match error {
        EventsError::UnknownDeadLetter(_) => {
            ApiError::not_found("dead_letter.not_found", "Not found.")
        }
        EventsError::Db(error) => error.into(),
        other => ApiError::unavailable(
            "broker.unavailable",
            "The broker cannot be asked at the moment.",
        )
        .retry_after(5)
        .caused_by(anyhow::Error::new(other)),
    }
}

#[derive(Deserialize)]
struct AuditQuery {
    organization: Option<Uuid>,
    actor: Option<String>,
    action: Option<String>,
    subject: Option<String>,
    outcome: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

async fn list_audit(
    reader: Allowed<ClinicAdmin>,
    stack: Data<Stack>,
    query: Query<AuditQuery>,
) -> Result<HttpResponse, ApiError> {
    let query = query.into_inner();
    let organization_id = if reader.superuser {
        query.organization
    } else {
        reader.org
    };
    let limit = query
        .limit
        .unwrap_or(AUDIT_ROWS)
        .clamp(1, service_audit::MAX_ROWS);
    let filter = AuditFilter {
        organization_id,
        actor: query.actor,
        action: query.action,
        subject: query.subject,
        outcome: query.outcome,
        before: query.cursor.as_deref().map(read_cursor).transpose()?,
        limit,
    };
    let rows = service_audit::list(&mut *stack.db.get().await?, &filter).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows
        .last()
        .filter(|_| full)
        .map(|row| format!("{}_{}", row.occurred_at.timestamp_micros(), row.id));
    Ok(HttpResponse::Ok().json(json!({"results": rows, "next_cursor": next})))
}

fn read_cursor(cursor: &str) -> Result<(DateTime<Utc>, Uuid), ApiError> {
    let parts = cursor
        .split_once('_')
        .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parts
        .and_then(|(micros, id)| Some((DateTime::from_timestamp_micros(micros)?, id)))
        .ok_or_else(|| ApiError::bad_request("request.cursor", "Invalid cursor."))
}

async fn verify_audit(_: Allowed<Superuser>, stack: Data<Stack>) -> Result<HttpResponse, ApiError> {
    let report = service_audit::verify_chain(&mut *stack.db.get().await?).await?;
    Ok(HttpResponse::Ok().json(json!({"intact": report.is_intact(), "report": report})))
}

//! The rows of the trail.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::{Value, json};
use service_audit::{ActorKind, AuditEntry};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    actor::Actor,
    content::model::Status,
    directory::store as directory,
    schema::{content_audit_logs, contents},
};

/// What happened to a content, as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentAction {
    Created,
    Updated,
    Approved,
    Rejected,
    Deleted,
    StatusChanged,
}

impl ContentAction {
    /// Every action as it stands on the wire.
    pub(crate) const NAMES: &'static [&'static str] = &[
        "created",
        "updated",
        "approved",
        "rejected",
        "deleted",
        "status_changed",
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Deleted => "deleted",
            Self::StatusChanged => "status_changed",
        }
    }

    fn audited(self) -> &'static str {
        match self {
            Self::Created => "content.created",
            Self::Updated => "content.updated",
            Self::Approved => "content.approved",
            Self::Rejected => "content.rejected",
            Self::Deleted => "content.deleted",
            Self::StatusChanged => "content.status_changed",
        }
    }
}

/// One thing that happened to a content.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) content_id: Uuid,
    pub(crate) content_number: i64,
    pub(crate) title: &'a str,
    pub(crate) action: ContentAction,
    pub(crate) old: Option<Status>,
    pub(crate) new: Option<Status>,
    pub(crate) changes: Value,
    pub(crate) notes: &'a str,
}

#[derive(Insertable)]
#[diesel(table_name = content_audit_logs)]
struct NewRow<'a> {
    id: Uuid,
    organization_id: Uuid,
    content_id: Uuid,
    content_number: i64,
    content_title: &'a str,
    user_id: Uuid,
    action: &'a str,
    old_status: Option<&'a str>,
    new_status: Option<&'a str>,
    changes: &'a Value,
    notes: &'a str,
    ip_address: Option<String>,
    user_agent: &'a str,
    created_at: DateTime<Utc>,
}

/// Writes the row of a content, and the platform's audit row.
pub(crate) async fn record_content(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    entry: &Entry<'_>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(content_audit_logs::table)
        .values(NewRow {
            id: Uuid::now_v7(),
            organization_id: actor.organization_id,
            content_id: entry.content_id,
            content_number: entry.content_number,
            content_title: entry.title,
            user_id: actor.user_id,
            action: entry.action.as_str(),
            old_status: entry.old.map(Status::as_str),
            new_status: entry.new.map(Status::as_str),
            changes: &entry.changes,
            notes: entry.notes,
            ip_address: actor.ip.map(|ip| ip.to_string()),
            user_agent: &actor.user_agent,
            created_at: now,
        })
        .execute(conn)
        .await?;
    record_action(
        conn,
        actor,
        entry.action.audited(),
        "content",
        entry.content_id,
        now,
    )
    .await
}

/// Writes the platform's audit row.
pub(crate) async fn record_action(
    conn: &mut AsyncPgConnection,
    actor: &Actor,
    action: &'static str,
    subject: &'static str,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let entry = AuditEntry::new(actor.user_id, ActorKind::User, action, now)
        .subject(subject, id)
        .organization(Some(actor.organization_id))
        .origin(actor.ip, actor.request_id.clone())
        .details(json!({}));
    service_audit::record(conn, entry).await?;
    Ok(())
}

/// A row as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AuditLogResponse {
    /// Number.
    pub(crate) id: i64,
    /// Number of the content; null when it was deleted.
    pub(crate) content: Option<i64>,
    pub(crate) content_title: String,
    /// Number of the user.
    pub(crate) user: i64,
    pub(crate) user_name: String,
    pub(crate) action: String,
    pub(crate) old_status: Option<String>,
    pub(crate) new_status: Option<String>,
    pub(crate) changes: Value,
    pub(crate) notes: String,
    pub(crate) ip_address: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) timestamp: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = content_audit_logs)]
struct Row {
    number: i64,
    content_id: Uuid,
    content_number: i64,
    content_title: String,
    user_id: Uuid,
    action: String,
    old_status: Option<String>,
    new_status: Option<String>,
    changes: Value,
    notes: String,
    ip_address: Option<String>,
    user_agent: String,
    created_at: DateTime<Utc>,
}

/// What a list asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) content_number: Option<i64>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) action: Option<&'a str>,
    pub(crate) oldest_first: bool,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
}

fn filtered<'a>(
    organization_id: Uuid,
    filter: &Filter<'_>,
) -> content_audit_logs::BoxedQuery<'a, diesel::pg::Pg> {
    let mut query = content_audit_logs::table
        .filter(content_audit_logs::organization_id.eq(organization_id))
        .into_boxed();
    if let Some(number) = filter.content_number {
        query = query.filter(content_audit_logs::content_number.eq(number));
    }
    if let Some(id) = filter.user_id {
        query = query.filter(content_audit_logs::user_id.eq(id));
    }
    if let Some(action) = filter.action {
        query = query.filter(content_audit_logs::action.eq(action.to_owned()));
    }
    query
}

pub(crate) async fn list_entries(
    conn: &mut AsyncPgConnection,
    organization_id: Uuid,
    filter: &Filter<'_>,
) -> QueryResult<(i64, Vec<AuditLogResponse>)> {
    let total = filtered(organization_id, filter)
        .count()
        .get_result(conn)
        .await?;
    let query = filtered(organization_id, filter);
    let query = if filter.oldest_first {
        query.order((
            content_audit_logs::created_at.asc(),
            content_audit_logs::number.asc(),
        ))
    } else {
        query.order((
            content_audit_logs::created_at.desc(),
            content_audit_logs::number.desc(),
        ))
    };
    let rows: Vec<Row> = query
        .limit(filter.limit)
        .offset(filter.offset)
        .select(Row::as_select())
        .load(conn)
        .await?;
    let people = directory::list_people(conn, rows.iter().map(|row| row.user_id)).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.content_id).collect();
    let alive: Vec<Uuid> = contents::table
        .filter(contents::id.eq_any(ids))
        .select(contents::id)
        .load(conn)
        .await?;
    let shown = rows
        .into_iter()
        .map(|row| {
            let person = people.get(&row.user_id);
            AuditLogResponse {
                id: row.number,
                content: alive
                    .contains(&row.content_id)
                    .then_some(row.content_number),
                content_title: row.content_title,
                user: person.map_or(0, |p| p.number),
                user_name: person.map(|p| p.full_name.clone()).unwrap_or_default(),
                action: row.action,
                old_status: row.old_status,
                new_status: row.new_status,
                changes: row.changes,
                notes: row.notes,
                ip_address: row.ip_address,
                user_agent: row.user_agent,
                timestamp: row.created_at,
            }
        })
        .collect();
    Ok((total, shown))
}

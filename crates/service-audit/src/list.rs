//! Reading the rows.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, PgArrayExpressionMethods, QueryDsl, QueryResult,
    Queryable, Selectable, SelectableHelper,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::schema::audit_entries;

/// Most rows of one answer.
pub const MAX_ROWS: i64 = 200;

/// A row as operators see it.
#[derive(Clone, Debug, Serialize, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub struct AuditRecord {
    /// The row's id.
    pub id: Uuid,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What kind of being.
    pub actor_kind: String,
    /// What.
    pub action: String,
    /// What kind of thing was acted upon.
    pub subject_kind: String,
    /// All that were touched.
    pub subject_ids: Vec<String>,
    /// Whose data.
    pub organization_id: Option<Uuid>,
    /// How it ended.
    pub outcome: String,
    /// From where.
    pub ip: Option<String>,
    /// In which request.
    pub request_id: Option<String>,
    /// Ids and reasons.
    pub details: Value,
}

/// Which rows to read.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this organisation.
    pub organization_id: Option<Uuid>,
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only touching this subject.
    pub subject: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only older than this row, by its time and id: the cursor.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    /// At most so many, 1 to [`MAX_ROWS`].
    pub limit: i64,
}

/// Rows, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    conn: &mut AsyncPgConnection,
    filter: &AuditFilter,
) -> QueryResult<Vec<AuditRecord>> {
    let mut query = audit_entries::table
        .order((audit_entries::occurred_at.desc(), audit_entries::id.desc()))
        .limit(filter.limit.clamp(1, MAX_ROWS))
        .select(AuditRecord::as_select())
        .into_boxed();
    if let Some(organization) = filter.organization_id {
        query = query.filter(audit_entries::organization_id.eq(organization));
    }
    if let Some(actor) = &filter.actor {
        query = query.filter(audit_entries::actor.eq(actor));
    }
    if let Some(action) = &filter.action {
        query = query.filter(audit_entries::action.eq(action));
    }
    if let Some(outcome) = &filter.outcome {
        query = query.filter(audit_entries::outcome.eq(outcome));
    }
    if let Some(subject) = &filter.subject {
        query = query.filter(audit_entries::subject_ids.contains(vec![subject.clone()]));
    }
    if let Some((at, id)) = filter.before {
        let older = audit_entries::occurred_at.lt(at);
        query = query.filter(
            older.or(audit_entries::occurred_at
                .eq(at)
                .and(audit_entries::id.lt(id))),
        );
    }
    query.load(conn).await
}

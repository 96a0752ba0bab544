//! One audit row.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::{Insertable, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::audit_entries;

/// What kind of being acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A person with an access token.
    User,
    /// A patient in the portal.
    Patient,
    /// Another service.
    Service,
    /// A partner with an API key.
    Partner,
    /// The platform itself: jobs, events.
    System,
    /// Nobody known: failed logins and the like.
    Anonymous,
}

impl ActorKind {
    /// The kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Patient => "patient",
            Self::Service => "service",
            Self::Partner => "partner",
            Self::System => "system",
            Self::Anonymous => "anonymous",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused to the caller.
    Denied,
    /// It was allowed and failed.
    Failed,
}

impl Outcome {
    /// The outcome as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// What is recorded about one request or action.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Who: a user id, a service's or key's name; empty for nobody known.
    pub actor: String,
    /// What kind of being.
    pub actor_kind: ActorKind,
    /// What, such as `patient_data.viewed`.
    pub action: &'static str,
    /// What kind of thing was acted upon, such as `patient`.
    pub subject_kind: &'static str,
    /// Ids of all that were touched.
    pub subject_ids: Vec<String>,
    /// Whose data.
    pub organization_id: Option<Uuid>,
    /// How it ended.
    pub outcome: Outcome,
    /// From where.
    pub ip: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<String>,
    /// Ids and reasons beside the above; an object.
    pub details: Value,
    /// When, by the service's clock.
    pub occurred_at: DateTime<Utc>,
}

impl AuditEntry {
    /// A successful action of `actor` at `now`; the rest is added by the methods below.
    pub fn new(
        actor: impl ToString,
        actor_kind: ActorKind,
        action: &'static str,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            actor: actor.to_string(),
            actor_kind,
            action,
            subject_kind: "",
            subject_ids: Vec::new(),
            organization_id: None,
            outcome: Outcome::Success,
            ip: None,
            request_id: None,
            details: Value::Object(serde_json::Map::new()),
            occurred_at: now,
        }
    }

    /// What was acted upon.
    #[must_use]
    pub fn subject(mut self, kind: &'static str, id: impl ToString) -> Self {
        self.subject_kind = kind;
        self.subject_ids.push(id.to_string());
        self
    }

    /// Everything that was acted upon: one row for a list.
    #[must_use]
    pub fn subjects<I: ToString>(
        mut self,
        kind: &'static str,
        ids: impl IntoIterator<Item = I>,
    ) -> Self {
        self.subject_kind = kind;
        self.subject_ids
            .extend(ids.into_iter().map(|id| id.to_string()));
        self
    }

    /// Whose data.
    #[must_use]
    pub fn organization(mut self, id: Option<Uuid>) -> Self {
        self.organization_id = id;
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// From where, and in which request.
    #[must_use]
    pub fn origin(mut self, ip: Option<IpAddr>, request_id: Option<String>) -> Self {
        self.ip = ip;
        self.request_id = request_id;
        self
    }

    /// Ids and reasons.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// Writes the row in the caller's transaction and answers its id. When this fails, nothing may be
/// shown or done.
///
/// # Errors
/// When the database refuses.
pub async fn record(conn: &mut AsyncPgConnection, entry: AuditEntry) -> QueryResult<Uuid> {
    let row = NewEntry::of(entry);
    let id = row.id;
    diesel::insert_into(audit_entries::table)
        .values(row)
        .execute(conn)
        .await?;
    Ok(id)
}

/// [`record`] for many by one statement, each a row of its own. Answers how many.
///
/// # Errors
/// When the database refuses; then none is written.
pub async fn record_all(
    conn: &mut AsyncPgConnection,
    entries: Vec<AuditEntry>,
) -> QueryResult<usize> {
    let rows: Vec<_> = entries.into_iter().map(NewEntry::of).collect();
    diesel::insert_into(audit_entries::table)
        .values(rows)
        .execute(conn)
        .await
}

#[derive(Insertable)]
#[diesel(table_name = audit_entries, treat_none_as_default_value = false)]
struct NewEntry {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    actor: String,
    actor_kind: &'static str,
    action: &'static str,
    subject_kind: &'static str,
    subject_ids: Vec<String>,
    organization_id: Option<Uuid>,
    outcome: &'static str,
    ip: Option<String>,
    request_id: Option<String>,
    details: Value,
}

impl NewEntry {
    fn of(entry: AuditEntry) -> Self {
        Self {
            id: Uuid::now_v7(),
            occurred_at: entry.occurred_at,
            actor: clean(entry.actor),
            actor_kind: entry.actor_kind.as_str(),
            action: entry.action,
            subject_kind: entry.subject_kind,
            subject_ids: entry.subject_ids.into_iter().map(clean).collect(),
            organization_id: entry.organization_id,
            outcome: entry.outcome.as_str(),
            ip: entry.ip.map(|ip| ip.to_string()),
            request_id: entry.request_id.map(clean),
            details: entry.details,
        }
    }
}

/// No control characters, at most 200 characters: a row must not be able to forge another line of
/// whatever prints it.
fn clean(text: String) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_d2_control_characters_do_not_reach_a_row() {
        assert_eq!(
            clean("a\nb\r\u{1b}[31m".into()),
            "a\u{fffd}b\u{fffd}\u{fffd}[31m"
        );
        assert_eq!(clean("x".repeat(500)).chars().count(), 200);
    }
}

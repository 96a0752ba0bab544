//! Hashes of entries and seals.

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::{Queryable, Selectable};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::schema::audit_entries;

/// The hash before the first seal.
pub(crate) const GENESIS: [u8; 32] = [0; 32];

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_entries)]
pub(crate) struct EntryRow {
    pub(crate) id: Uuid,
    pub(crate) occurred_at: DateTime<Utc>,
    pub(crate) actor: String,
    pub(crate) actor_kind: String,
    pub(crate) action: String,
    pub(crate) subject_kind: String,
    pub(crate) subject_ids: Vec<String>,
    pub(crate) organization_id: Option<Uuid>,
    pub(crate) outcome: String,
    pub(crate) ip: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) details: Value,
}

/// A hash over parts that no other list of parts has: each is preceded by its length.
struct Parts(Sha256);

impl Parts {
    fn new(kind: &str) -> Self {
        let mut parts = Self(Sha256::new());
        parts.add(kind.as_bytes());
        parts
    }

    fn add(&mut self, part: &[u8]) -> &mut Self {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    fn optional(&mut self, part: Option<&[u8]>) -> &mut Self {
        self.0.update([u8::from(part.is_some())]);
        self.add(part.unwrap_or_default())
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The hash of everything an entry says.
pub(crate) fn entry_hash(entry: &EntryRow) -> [u8; 32] {
    let mut parts = Parts::new("tabib.audit.entry.v1");
    parts
        .add(entry.id.as_bytes())
        .add(time(entry.occurred_at).as_bytes())
        .add(entry.actor.as_bytes())
        .add(entry.actor_kind.as_bytes())
        .add(entry.action.as_bytes())
        .add(entry.subject_kind.as_bytes())
        .add(&(entry.subject_ids.len() as u64).to_be_bytes());
    for id in &entry.subject_ids {
        parts.add(id.as_bytes());
    }
    parts
        .optional(
            entry
                .organization_id
                .as_ref()
                .map(|id| id.as_bytes().as_slice()),
        )
        .add(entry.outcome.as_bytes())
        .optional(entry.ip.as_deref().map(str::as_bytes))
        .optional(entry.request_id.as_deref().map(str::as_bytes))
        .add(canonical(&entry.details).as_bytes());
    parts.finish()
}

/// The hash of a batch of entries, in the order of the seal.
pub(crate) fn entries_hash<'a>(entries: impl IntoIterator<Item = &'a EntryRow>) -> [u8; 32] {
    let mut parts = Parts::new("tabib.audit.entries.v1");
    for entry in entries {
        parts.add(&entry_hash(entry));
    }
    parts.finish()
}

/// The hash of a seal: its number, its entries and everything before it.
pub(crate) fn seal_hash(
    number: i64,
    entry_ids: &[Uuid],
    entries: &[u8],
    previous: &[u8],
    sealed_at: DateTime<Utc>,
) -> [u8; 32] {
    let mut parts = Parts::new("tabib.audit.seal.v1");
    parts.add(&number.to_be_bytes());
    for id in entry_ids {
        parts.add(id.as_bytes());
    }
    parts
        .add(entries)
        .add(previous)
        .add(time(sealed_at).as_bytes());
    parts.finish()
}

/// Times as PostgreSQL keeps them: microseconds.
fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// JSON with sorted members, whatever order the reader or the database gives them in.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            let inner: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(canonical).collect::<Vec<_>>().join(",")
        ),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry(actor: &str, subjects: &[&str], details: Value) -> EntryRow {
        EntryRow {
            id: Uuid::nil(),
            occurred_at: DateTime::UNIX_EPOCH,
            actor: actor.into(),
            actor_kind: "user".into(),
            action: "x.viewed".into(),
            subject_kind: "patient".into(),
            subject_ids: subjects.iter().map(ToString::to_string).collect(),
            organization_id: None,
            outcome: "success".into(),
            ip: None,
            request_id: None,
            details,
        }
    }

    #[test]
    fn members_may_come_in_any_order() {
        let one = entry(
            "a",
            &["1"],
            serde_json::from_str(r#"{"a":1,"b":{"d":2,"c":[1,{"y":0,"x":1}]}}"#).unwrap(),
        );
        let two = entry(
            "a",
            &["1"],
            serde_json::from_str(r#"{"b":{"c":[1,{"x":1,"y":0}],"d":2},"a":1}"#).unwrap(),
        );
        assert_eq!(entry_hash(&one), entry_hash(&two));
    }

    proptest! {
        #[test]
        fn text_moved_between_members_changes_the_hash(a in "[a-z]{0,6}", b in "[a-z]{1,6}") {
            let one = entry(&format!("{a}{b}"), &[], json!({}));
            let mut two = entry(&a, &[], json!({}));
            two.actor_kind = format!("{b}{}", two.actor_kind);
            prop_assert_ne!(entry_hash(&one), entry_hash(&two));
            prop_assert_ne!(
                entry_hash(&entry("x", &[&a, &b], json!({}))),
                entry_hash(&entry("x", &[&format!("{a}{b}")], json!({})))
            );
        }
    }
}

//! An organisation's own types, and messages that it sends itself.

use serde_json::{Map, Value, json};
use service_audit::{AuditEntry, record};
use service_http::text;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    error::OutgoingError,
    event_type::EVENT_TYPES,
    event_type_store::{self, Inserted, NewEventType},
    message_store::{self, MessageRow},
    store::{self, NewMessage},
    wanted::invalid,
    words,
};
use crate::{AppState, actor::Actor};

/// Types that an organisation may have of its own.
const MOST_TYPES: i64 = 200;
/// Largest `data` of a message, in bytes of JSON.
const MOST_DATA: usize = 64 * 1024;

/// Whether a name is lower-case words joined by dots.
fn is_name(name: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    name.len() <= 128 && name.contains('.') && name.split('.').all(word)
}

fn family(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// A receiver must be able to tell who speaks: the platform's families are not anybody else's.
fn is_platforms(name: &str) -> bool {
    EVENT_TYPES
        .iter()
        .any(|kind| family(kind.name) == family(name))
}

fn audit(state: &AppState, actor: &Actor, action: &'static str, id: Uuid) -> AuditEntry {
    actor
        .audit(action, actor.organization(), state.now())
        .subject("webhook_event_type", id)
}

/// Makes a type; answers its name and description.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn create_event_type(
    state: &AppState,
    actor: &Actor,
    name: Option<String>,
    description: String,
) -> Result<(String, String), OutgoingError> {
    let organization = actor.owner()?.organization();
    let name = name.ok_or_else(|| invalid("name", text::required()))?;
    if !is_name(&name) {
        return Err(invalid("name", words::type_name()));
    }
    if is_platforms(&name) {
        return Err(invalid("name", words::platforms_family(family(&name))));
    }
    let description = description.trim().to_owned();
    if description.chars().count() > 500 {
        return Err(invalid("description", text::too_long(500)));
    }
    let new = NewEventType {
        id: Uuid::now_v7(),
        organization_id: organization,
        name: name.clone(),
        description: description.clone(),
        created_by: Some(actor.claims.sub),
        created_at: state.now(),
    };
    let entry = audit(state, actor, "integrations.event_type_created", new.id);
    state
        .stack
        .db
        .transaction(async |conn| {
            match event_type_store::insert_event_type(conn, new.clone(), MOST_TYPES).await? {
                Inserted::Done => {}
                Inserted::Known => return Err(OutgoingError::Known),
                Inserted::TooMany => return Err(OutgoingError::TooManyTypes(MOST_TYPES)),
            }
            record(conn, entry.clone().details(json!({"name": new.name}))).await?;
            Ok(())
        })
        .await?;
    Ok((name, description))
}

/// Removes a type that no endpoint names.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn delete_event_type(
    state: &AppState,
    actor: &Actor,
    name: &str,
) -> Result<(), OutgoingError> {
    let organization = actor.owner()?.organization();
    let entry = audit(state, actor, "integrations.event_type_deleted", Uuid::nil());
    state
        .stack
        .db
        .transaction(async |conn| {
            if event_type_store::is_subscribed(conn, organization, name).await? {
                return Err(OutgoingError::Subscribed);
            }
            if !event_type_store::delete_event_type(conn, organization, name).await? {
                return Err(OutgoingError::Missing("EventType"));
            }
            record(conn, entry.clone().details(json!({"name": name}))).await?;
            Ok(())
        })
        .await
}

/// A message that an organisation sends itself.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) event_type: String,
    pub(crate) data: Map<String, Value>,
    pub(crate) ordering_key: Option<String>,
    /// The sender's own id: the same one is one message.
    pub(crate) event_id: Option<String>,
}

/// One id per organisation and sender's id.
fn event_uuid(organization: Option<Uuid>, event_id: &str) -> Uuid {
    let mut digest = Sha256::new();
    digest.update(b"outgoing.event_id\0");
    digest.update(organization.unwrap_or_default().as_bytes());
    digest.update(event_id.as_bytes());
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// What came of a message.
pub(crate) struct Sent {
    pub(crate) message: MessageRow,
    /// Whether it is new; else the sender's id was known with the same content.
    pub(crate) is_new: bool,
}

/// Queues a message for every endpoint of the organisation that wants its type.
///
/// # Errors
/// [`OutgoingError`].
pub(crate) async fn send(
    state: &AppState,
    actor: &Actor,
    wanted: Message,
) -> Result<Sent, OutgoingError> {
    let owner = actor.owner()?;
    let organization = owner.organization();
    for (field, value) in [
        ("ordering_key", &wanted.ordering_key),
        ("event_id", &wanted.event_id),
    ] {
        if value
            .as_ref()
            .is_some_and(|text| !(1..=255).contains(&text.len()))
        {
            return Err(invalid(field, words::bytes_between(1, 255)));
        }
    }
    let data = Value::Object(wanted.data);
    if data.to_string().len() > MOST_DATA {
        return Err(invalid("data", words::too_much_data()));
    }
    let (id, now) = (Uuid::now_v7(), state.now());
    let source = wanted
        .event_id
        .as_deref()
        .map(|event_id| event_uuid(organization, event_id));
    let new = NewMessage {
        id,
        organization_id: organization,
        event_type: wanted.event_type,
        source_event_id: source,
        ordering_key: wanted.ordering_key.unwrap_or_else(|| id.to_string()),
        data,
        occurred_at: now,
        created_at: now,
    };
    state
        .stack
        .db
        .transaction(async |conn| {
            if !event_type_store::is_event_type(conn, organization, &new.event_type).await? {
                return Err(invalid("event_type", words::not_own_type(&new.event_type)));
            }
            let is_new = store::insert_message(conn, new.clone()).await?;
            let message = match source {
                Some(source) => message_store::find_message_of_event(conn, source).await?,
                None => message_store::find_message(conn, owner, id).await?,
            }
            .ok_or(OutgoingError::Missing("WebhookMessage"))?;
            if is_new {
                for (endpoint, is_active) in
                    store::list_subscribers(conn, organization, &new.event_type).await?
                {
                    store::insert_delivery(conn, id, &new.ordering_key, endpoint, is_active, now)
                        .await?;
                }
            } else if message.event_type != new.event_type || message.data != new.data {
                return Err(OutgoingError::OtherContent);
            }
            Ok(Sent { message, is_new })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dotted_words_outside_the_platforms_families() {
        for good in ["lab.sample_taken", "a.b.c2"] {
            assert!(is_name(good) && !is_platforms(good), "{good}");
        }
        let long = format!("lab.{}", "x".repeat(125));
        for bad in [
            "lab",
            "Lab.x",
            "lab.",
            ".x",
            "lab..x",
            "lab-x.y",
            "آزمایش.x",
            &long,
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_platforms("payment.forged") && is_platforms("sms.x"));
    }

    #[test]
    fn the_senders_id_is_one_per_organisation() {
        let (one, other) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        assert_eq!(event_uuid(one, "a"), event_uuid(one, "a"));
        assert_ne!(event_uuid(one, "a"), event_uuid(other, "a"));
        assert_ne!(event_uuid(one, "a"), event_uuid(one, "b"));
        assert_ne!(event_uuid(None, "a"), event_uuid(one, "a"));
    }
}

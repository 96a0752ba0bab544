//! The event catalogue: one file per emitting service, one struct per event, all versioned.
//!
//! What always holds: an event carries ids, states and amounts, never a secret; only `auth.user_*` carries personal data
//! (decisions.md 24). Names are `<service>.<entity>_<past-tense verb>`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

pub mod auth;
pub mod chat;
pub mod content;
pub mod integrations;
pub mod patient_access;
pub mod payments;
pub mod portal;
pub mod subscriptions;

/// A payload that can be emitted and consumed.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The routing key, `<service>.<entity>_<verb>`.
    const NAME: &'static str;
    /// Version of the payload's shape; raised when a field changes meaning.
    const VERSION: u16;
    /// The thing that changed.
    fn aggregate_id(&self) -> Uuid;
    /// Grows with each change of the aggregate; consumers apply only newer ones.
    fn aggregate_version(&self) -> i64;
    /// The organisation it belongs to, when it belongs to one.
    fn organization_id(&self) -> Option<Uuid>;
}

/// What travels on the exchange: the payload with its origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Id of this event; the inbox key of its consumers.
    pub id: Uuid,
    /// [`Event::NAME`].
    pub name: String,
    /// [`Event::VERSION`].
    pub version: u16,
    /// The emitting service.
    pub source: String,
    /// When the change happened.
    pub occurred_at: DateTime<Utc>,
    /// [`Event::organization_id`].
    pub organization_id: Option<Uuid>,
    /// [`Event::aggregate_id`].
    pub aggregate_id: Uuid,
    /// [`Event::aggregate_version`].
    pub aggregate_version: i64,
    /// W3C trace parent of the request that caused it.
    pub traceparent: Option<String>,
    /// The payload.
    pub payload: Value,
}

impl Envelope {
    /// Wraps `event` as emitted by `source` at `now`, with a fresh UUIDv7.
    ///
    /// # Errors
    /// The serialisation error of the payload.
    pub fn wrap<E: Event>(
        source: &str,
        event: &E,
        now: DateTime<Utc>,
        traceparent: Option<String>,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            id: Uuid::now_v7(),
            name: E::NAME.to_owned(),
            version: E::VERSION,
            source: source.to_owned(),
            occurred_at: now,
            organization_id: event.organization_id(),
            aggregate_id: event.aggregate_id(),
            aggregate_version: event.aggregate_version(),
            traceparent,
            payload: serde_json::to_value(event)?,
        })
    }

    /// The payload as `E`.
    ///
    /// # Errors
    /// When the payload is not of that shape.
    pub fn open<E: Event>(&self) -> serde_json::Result<E> {
        E::deserialize(&self.payload)
    }
}

/// Ties a payload to its name, aggregate and organisation.
macro_rules! event {
    ($type:ident, $name:literal, $version:literal, $id:ident, |$e:ident| $organization:expr) => {
        impl $crate::events::Event for $type {
            const NAME: &'static str = $name;
            const VERSION: u16 = $version;
            fn aggregate_id(&self) -> uuid::Uuid {
                self.$id
            }
            fn aggregate_version(&self) -> i64 {
                self.aggregate_version
            }
            fn organization_id(&self) -> Option<uuid::Uuid> {
                let $e = self;
                $organization
            }
        }
    };
}
pub(crate) use event;

/// Name and version of every event of the catalogue, for documents and tests.
#[must_use]
pub fn catalogue() -> Vec<(&'static str, u16)> {
    macro_rules! names { ($($type:ty),+ $(,)?) => { vec![$((<$type as Event>::NAME, <$type as Event>::VERSION)),+] }; }
    names![
        auth::UserRegistered,
        auth::UserUpdated,
        auth::SessionRevoked,
        auth::MemberChanged,
        auth::OrganizationChanged,
        auth::WorkspaceChanged,
        auth::CodeIssued,
        patient_access::Granted,
        patient_access::Denied,
        patient_access::Viewed,
        patient_access::Revoked,
        payments::PaymentSettled,
        payments::PaymentFailed,
        payments::PaymentRefunded,
        payments::WalletCredited,
        payments::WalletDebited,
        payments::ReconciliationAlarmed,
        portal::CredentialsIssued,
        portal::ReportPublished,
        portal::InvoiceStatusChanged,
        portal::PaymentRecorded,
        portal::PaymentAmended,
        portal::PaymentVoided,
        integrations::WebhookReceived,
        integrations::MessageDelivered,
        integrations::MessageFailed,
        integrations::AiUsageRecorded,
        integrations::CredentialChanged,
        integrations::CredentialExpiring,
        integrations::ProviderUnhealthy,
        integrations::ProviderRecovered,
        integrations::WebhookEndpointDisabled,
        chat::SummaryCreated,
        content::ContentApproved,
        content::ContentRejected,
        content::UsageLimitChanged,
        content::WorkspaceProjectsCounted,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut names: Vec<_> = catalogue().into_iter().map(|(name, _)| name).collect();
        for name in &names {
            let (service, rest) = name.split_once('.').unwrap();
            assert!(
                [
                    "auth",
                    "patient_access",
                    "payments",
                    "portal",
                    "integrations",
                    "chat",
                    "content"
                ]
                .contains(&service)
            );
            assert!(
                rest.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{name}"
            );
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), catalogue().len());
    }

    #[test]
    fn an_envelope_opens_to_the_event_it_wraps() {
        let event = chat::SummaryCreated {
            summary_id: Uuid::now_v7(),
            aggregate_version: 1,
            organization_id: Some(Uuid::now_v7()),
            room_id: Uuid::now_v7(),
            patient_user_id: Uuid::now_v7(),
            created_at: Utc::now(),
        };
        let envelope = Envelope::wrap("chat", &event, Utc::now(), None).unwrap();
        assert_eq!(envelope.aggregate_id, event.summary_id);
        assert_eq!(envelope.organization_id, event.organization_id);
        assert_eq!(envelope.open::<chat::SummaryCreated>().unwrap(), event);
        assert!(envelope.open::<payments::PaymentSettled>().is_err());
    }

    #[test]
    fn the_document_of_events_lists_them_all() {
        let document = include_str!("../../../../docs/events.md");
        for (name, _) in catalogue() {
            assert!(
                document.contains(&format!("`{name}`")),
                "docs/events.md does not describe {name}"
            );
        }
    }
}

//! Who consumes what: the one table of queues and the events bound to them.
//!
//! Every service declares its own queues from what it registers; the relay of an emitting service declares those of its
//! subscribers from this table, so that no event is published before every queue that shall have it exists, in whichever
//! order the services start. A service whose consumers differ from the table refuses to start.

use super::{Event, auth, chat, content, integrations, patient_access, payments, portal};

/// A queue and the events bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The consuming service.
    pub service: &'static str,
    /// The queue's family within the service.
    pub family: &'static str,
    /// Names of the events bound to it.
    pub events: &'static [&'static str],
}

const fn queue(
    service: &'static str,
    family: &'static str,
    events: &'static [&'static str],
) -> Subscription {
    Subscription {
        service,
        family,
        events,
    }
}

const PEOPLE: &[&str] = &[auth::UserRegistered::NAME, auth::UserUpdated::NAME];

/// Every queue of the platform.
pub const SUBSCRIPTIONS: [Subscription; 20] = [
    queue(
        "auth-otp",
        "code-delivered",
        &[integrations::MessageDelivered::NAME],
    ),
    queue(
        "auth-otp",
        "code-failed",
        &[integrations::MessageFailed::NAME],
    ),
    queue(
        "auth-otp",
        "workspace-projects",
        &[content::WorkspaceProjectsCounted::NAME],
    ),
    queue("patient-access", "people", PEOPLE),
    queue("patient-access", "summaries", &[chat::SummaryCreated::NAME]),
    queue(
        "payments",
        "provider-events",
        &[integrations::WebhookReceived::NAME],
    ),
    queue(
        "payments",
        "recorded-payments",
        &[
            portal::PaymentRecorded::NAME,
            portal::PaymentAmended::NAME,
            portal::PaymentVoided::NAME,
        ],
    ),
    queue(
        "payments",
        "invoices",
        &[
            portal::InvoiceStatusChanged::NAME,
            portal::ReportPublished::NAME,
        ],
    ),
    queue("payments", "users", PEOPLE),
    queue(
        "portal",
        "payments",
        &[
            payments::PaymentSettled::NAME,
            payments::PaymentRefunded::NAME,
        ],
    ),
    queue("portal", "users", PEOPLE),
    queue(
        "portal",
        "patient-access",
        &[
            patient_access::Granted::NAME,
            patient_access::Denied::NAME,
            patient_access::Viewed::NAME,
            patient_access::Revoked::NAME,
        ],
    ),
    queue(
        "portal",
        "messages",
        &[
            integrations::MessageDelivered::NAME,
            integrations::MessageFailed::NAME,
        ],
    ),
    queue(
        "content",
        "people",
        &[
            auth::UserRegistered::NAME,
            auth::UserUpdated::NAME,
            auth::MemberChanged::NAME,
        ],
    ),
    queue(
        "content",
        "workspaces",
        &[
            auth::OrganizationChanged::NAME,
            auth::WorkspaceChanged::NAME,
        ],
    ),
    queue("content", "usage", &[integrations::AiUsageRecorded::NAME]),
    queue("chat", "people", PEOPLE),
    queue(
        "integrations",
        "usage-limits",
        &[content::UsageLimitChanged::NAME],
    ),
    queue(
        "integrations",
        "endpoint-notices",
        &[integrations::WebhookEndpointDisabled::NAME],
    ),
    queue(
        "integrations",
        "outgoing-webhooks",
        &[
            auth::MemberChanged::NAME,
            auth::SessionRevoked::NAME,
            auth::CodeIssued::NAME,
            chat::SummaryCreated::NAME,
            content::ContentApproved::NAME,
            content::ContentRejected::NAME,
            integrations::MessageDelivered::NAME,
            integrations::MessageFailed::NAME,
            integrations::CredentialExpiring::NAME,
            integrations::ProviderUnhealthy::NAME,
            integrations::ProviderRecovered::NAME,
            integrations::WebhookReceived::NAME,
            integrations::WebhookEndpointDisabled::NAME,
            patient_access::Granted::NAME,
            patient_access::Denied::NAME,
            patient_access::Viewed::NAME,
            patient_access::Revoked::NAME,
            payments::PaymentSettled::NAME,
            payments::PaymentFailed::NAME,
            payments::PaymentRefunded::NAME,
            payments::WalletCredited::NAME,
            payments::WalletDebited::NAME,
            payments::ReconciliationAlarmed::NAME,
            portal::CredentialsIssued::NAME,
            portal::ReportPublished::NAME,
            portal::InvoiceStatusChanged::NAME,
            portal::PaymentRecorded::NAME,
            portal::PaymentAmended::NAME,
            portal::PaymentVoided::NAME,
        ],
    ),
];

/// What a service consumes; empty for one that the table does not know.
pub fn subscriptions_of(service: &str) -> impl Iterator<Item = &'static Subscription> {
    SUBSCRIPTIONS
        .iter()
        .filter(move |subscription| subscription.service == service)
}

/// The queues that take events of an emitting service.
pub fn subscribers_to(service: &str) -> impl Iterator<Item = &'static Subscription> {
    // Events of auth-otp are named `auth.…`; the others' prefixes are their names.
    let prefix = match service {
        "auth-otp" => "auth".to_owned(),
        other => other.replace('-', "_"),
    };
    SUBSCRIPTIONS.iter().filter(move |subscription| {
        subscription
            .events
            .iter()
            .any(|name| name.split('.').next() == Some(prefix.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::events::catalogue;

    #[test]
    fn queues_are_named_once_and_take_known_events_once() {
        let known: BTreeSet<&str> = catalogue().into_iter().map(|(name, _)| name).collect();
        let mut queues = BTreeSet::new();
        for one in &SUBSCRIPTIONS {
            assert!(queues.insert((one.service, one.family)), "{one:?} twice");
            let events: BTreeSet<&str> = one.events.iter().copied().collect();
            assert_eq!(events.len(), one.events.len(), "{one:?}");
            assert!(
                !events.is_empty() && events.is_subset(&known),
                "{:?}",
                events.difference(&known).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn emitters_know_their_subscribers() {
        let families = |service: &str| -> Vec<String> {
            subscribers_to(service)
                .map(|one| format!("{}.{}", one.service, one.family))
                .collect()
        };
        assert_eq!(
            families("content"),
            [
                "auth-otp.workspace-projects",
                "integrations.usage-limits",
                "integrations.outgoing-webhooks"
            ]
        );
        assert!(families("auth-otp").contains(&"chat.people".to_owned()));
        assert!(families("patient-access").contains(&"portal.patient-access".to_owned()));
        assert!(families("gateway").is_empty());
        // Portal ends sessions too, under the name of auth-otp's event.
        for one in &SUBSCRIPTIONS {
            if one.events.contains(&auth::SessionRevoked::NAME) {
                assert!(
                    subscribers_to("portal").any(|known| known == one),
                    "{one:?}"
                );
            }
        }
    }
}

//! INV7: what was promised was published, and whoever subscribed has applied it once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Violation;
use crate::databases::Databases;

/// One line of a service's event map: service, queue family, event name.
pub type Subscription = (&'static str, &'static str, &'static str);

/// Who applies what. A test compares it with the services' event maps.
pub const SUBSCRIPTIONS: &[Subscription] = &[
    (
        "auth-otp",
        "code-delivered",
        "integrations.message_delivered",
    ),
    ("auth-otp", "code-failed", "integrations.message_failed"),
    (
        "auth-otp",
        "workspace-projects",
        "content.workspace_projects_counted",
    ),
    ("chat", "people", "auth.user_registered"),
    ("chat", "people", "auth.user_updated"),
    ("content", "people", "auth.member_changed"),
    ("content", "people", "auth.user_registered"),
    ("content", "people", "auth.user_updated"),
    ("content", "usage", "integrations.ai_usage_recorded"),
    ("content", "workspaces", "auth.organization_changed"),
    ("content", "workspaces", "auth.workspace_changed"),
    (
        "integrations",
        "usage-limits",
        "content.usage_limit_changed",
    ),
    ("patient-access", "people", "auth.user_registered"),
    ("patient-access", "people", "auth.user_updated"),
    ("patient-access", "summaries", "chat.summary_created"),
    ("payments", "invoices", "portal.invoice_status_changed"),
    ("payments", "invoices", "portal.report_published"),
    (
        "payments",
        "provider-events",
        "integrations.webhook_received",
    ),
    ("payments", "recorded-payments", "portal.payment_amended"),
    ("payments", "recorded-payments", "portal.payment_recorded"),
    ("payments", "recorded-payments", "portal.payment_voided"),
    ("payments", "users", "auth.user_registered"),
    ("payments", "users", "auth.user_updated"),
    ("portal", "messages", "integrations.message_delivered"),
    ("portal", "messages", "integrations.message_failed"),
    ("portal", "patient-access", "patient_access.denied"),
    ("portal", "patient-access", "patient_access.granted"),
    ("portal", "patient-access", "patient_access.revoked"),
    ("portal", "patient-access", "patient_access.viewed"),
    ("portal", "payments", "payments.payment_refunded"),
    ("portal", "payments", "payments.payment_settled"),
    ("portal", "users", "auth.user_registered"),
    ("portal", "users", "auth.user_updated"),
];

type Ids = BTreeSet<String>;

/// Every event of every outbox, by name.
async fn emitted(databases: &Databases) -> Result<BTreeMap<String, Ids>> {
    let mut events: BTreeMap<String, Ids> = BTreeMap::new();
    for (_, client) in databases.all() {
        for row in client
            .query("SELECT name, id::text FROM outbox_events", &[])
            .await?
        {
            events.entry(row.get(0)).or_default().insert(row.get(1));
        }
    }
    Ok(events)
}

async fn ids(client: &tokio_postgres::Client, query: &str, consumer: &str) -> Result<Ids> {
    Ok(client
        .query(query, &[&consumer])
        .await?
        .into_iter()
        .map(|row| row.get(0))
        .collect())
}

/// INV7. Only meaningful when events have come to rest.
///
/// # Errors
/// When a database does not answer.
pub async fn each_once(databases: &Databases) -> Result<Vec<Violation>> {
    each_once_of(databases, SUBSCRIPTIONS).await
}

/// INV7 for other subscriptions, for tests.
///
/// # Errors
/// As [`each_once`].
pub async fn each_once_of(
    databases: &Databases,
    subscriptions: &[Subscription],
) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for (service, client) in databases.all() {
        let unpublished: i64 = client
            .query_one(
                "SELECT count(*) FROM outbox_events WHERE published_at IS NULL",
                &[],
            )
            .await?
            .get(0);
        if unpublished > 0 {
            found.push(Violation::new(
                "INV7",
                format!("{service} has {unpublished} unpublished events"),
            ));
        }
    }
    let emitted = emitted(databases).await?;
    let mut of_consumer: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (service, family, event) in subscriptions {
        of_consumer
            .entry((service, family))
            .or_default()
            .push(event);
    }
    for ((service, family), events) in of_consumer {
        let Ok(client) = databases.get(service) else {
            continue;
        };
        let consumer = format!("{service}.{family}");
        let applied = ids(
            client,
            "SELECT event_id::text FROM inbox_events WHERE consumer = $1",
            &consumer,
        )
        .await?;
        // The queue carries the installation's prefix.
        let dead = ids(
            client,
            "SELECT event_id::text FROM dead_letters WHERE event_id IS NOT NULL AND replayed_at IS NULL \
             AND (queue = $1 OR queue LIKE '%' || $1)",
            &consumer,
        )
        .await?;
        let expected: Ids = events
            .iter()
            .filter_map(|event| emitted.get(*event))
            .flatten()
            .cloned()
            .collect();
        for missing in expected
            .iter()
            .filter(|id| !applied.contains(*id) && !dead.contains(*id))
        {
            found.push(Violation::new(
                "INV7",
                format!("{consumer} has not applied the event {missing}"),
            ));
        }
        for phantom in applied.difference(&expected) {
            found.push(Violation::new(
                "INV7",
                format!("{consumer} applied {phantom}, which no outbox holds"),
            ));
        }
        for both in applied.intersection(&dead) {
            found.push(Violation::new(
                "INV7",
                format!("{consumer} applied {both} and still lists it as dead"),
            ));
        }
    }
    Ok(found)
}

/// Waits until every outbox is published and every subscriber has what it subscribed to, or until the time is over;
/// what is missing then is what [`each_once`] will say.
///
/// # Errors
/// When a database does not answer.
pub async fn at_rest(databases: &Databases, within: Duration) -> Result<bool> {
    let deadline = Instant::now() + within;
    loop {
        if each_once(databases).await?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

//! Each checker passes on good data and fails on planted bad data. The schemas are the services' own migrations.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use tabib_lab::databases::connect_to;
use tabib_lab::invariants::delivery::{SUBSCRIPTIONS, each_once_of};
use tabib_lab::invariants::{keys, ledger};
use tabib_lab::{Databases, Violation};
use tokio_postgres::Client;
use uuid::Uuid;

/// A database with a service's schema, dropped afterwards.
struct Scratch {
    admin: Client,
    name: String,
    url: String,
}

impl Scratch {
    async fn of(service: &str) -> Self {
        let url = std::env::var("DATABASE_URL")
            .expect("tests need DATABASE_URL; run them by `make test`");
        let admin = launcher::database::connect(&url).await.unwrap();
        let name = format!("lab_{}", Uuid::now_v7().simple());
        admin
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let scratch = Self { admin, name, url };
        let client = scratch.connect().await;
        for folder in ["shared", service] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../migrations")
                .join(folder);
            let mut steps: Vec<_> = std::fs::read_dir(root)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            steps.sort();
            for step in steps {
                let sql = std::fs::read_to_string(step.join("up.sql")).unwrap();
                client.batch_execute(&sql).await.unwrap();
            }
        }
        scratch
    }

    async fn connect(&self) -> Client {
        connect_to(&self.url, &self.name).await.unwrap()
    }

    async fn gone(self) {
        self.admin
            .batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name))
            .await
            .unwrap();
    }
}

/// Bad data is planted past triggers and constraints, as a fault or a careless hand would.
async fn plant(client: &Client, sql: &str) {
    client
        .batch_execute(&format!(
            "SET session_replication_role = replica; {sql}; RESET session_replication_role"
        ))
        .await
        .unwrap();
}

fn only(found: &[Violation], part: &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].found.contains(part), "{found:?}");
}

const ORGANIZATION: &str = "01900000-0000-7000-8000-000000000001";
const FIRST: &str = "01900000-0000-7000-8000-00000000000a";
const SECOND: &str = "01900000-0000-7000-8000-00000000000b";
const TRANSFER: &str = "01900000-0000-7000-8000-00000000000c";

/// Two accounts and one transfer between them, through the schema's own rules.
async fn good_ledger(client: &Client) {
    client
        .batch_execute(&format!(
            "BEGIN; \
             INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, floor, created_at) VALUES \
               ('{FIRST}', '{ORGANIZATION}', 'clearing', NULL, 'IRR', NULL, now()), \
               ('{SECOND}', '{ORGANIZATION}', 'wallet', '{FIRST}', 'IRR', 0, now()); \
             INSERT INTO ledger_transfers (id, organization_id, kind, reference, created_at) \
               VALUES ('{TRANSFER}', '{ORGANIZATION}', 'settlement', 'r1', now()); \
             INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at) VALUES \
               (gen_random_uuid(), '{TRANSFER}', '{FIRST}', -500, 'IRR', now()), \
               (gen_random_uuid(), '{TRANSFER}', '{SECOND}', 500, 'IRR', now()); \
             COMMIT"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn inv1_finds_money_out_of_nothing() {
    let scratch = Scratch::of("payments").await;
    let client = scratch.connect().await;
    good_ledger(&client).await;
    assert_eq!(ledger::sums_to_zero(&client).await.unwrap(), []);
    plant(
        &client,
        "UPDATE ledger_entries SET amount = 501 WHERE amount = 500",
    )
    .await;
    let found = ledger::sums_to_zero(&client).await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].found.contains("all entries in IRR sum to 1"),
        "{found:?}"
    );
    assert!(found[1].found.contains(TRANSFER), "{found:?}");
    plant(
        &client,
        "UPDATE ledger_entries SET amount = 500 WHERE amount = 501",
    )
    .await;
    plant(&client, "DELETE FROM ledger_entries").await;
    only(
        &ledger::sums_to_zero(&client).await.unwrap(),
        "has 0 entries",
    );
    scratch.gone().await;
}

#[tokio::test]
async fn inv2_finds_a_balance_that_is_not_its_entries_and_one_below_its_floor() {
    let scratch = Scratch::of("payments").await;
    let client = scratch.connect().await;
    good_ledger(&client).await;
    assert_eq!(ledger::balances(&client).await.unwrap(), []);
    plant(
        &client,
        "UPDATE ledger_accounts SET balance = 499 WHERE code = 'wallet'",
    )
    .await;
    only(
        &ledger::balances(&client).await.unwrap(),
        "has the balance 499, its entries sum to 500",
    );
    plant(
        &client,
        "UPDATE ledger_accounts SET balance = 500 WHERE code = 'wallet'",
    )
    .await;
    plant(
        &client,
        &format!(
            "ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_floor; \
             UPDATE ledger_entries SET amount = -500 WHERE account_id = '{SECOND}'; \
             UPDATE ledger_accounts SET balance = -500 WHERE id = '{SECOND}'"
        ),
    )
    .await;
    only(&ledger::balances(&client).await.unwrap(), "balance -500");
    scratch.gone().await;
}

/// A patient with keys and a paid invoice that links to them.
async fn good_portal(client: &Client) {
    plant(
        client,
        &format!(
            "INSERT INTO patients (id, organization_id, patient_code, first_name, last_name, gender, language, created_at, updated_at) \
             VALUES ('{FIRST}', '{ORGANIZATION}', 'AAAAAA', 'Mina', 'A', 'F', 'fa', now(), now()), \
                    ('{SECOND}', '{ORGANIZATION}', 'BBBBBB', 'Omid', 'B', 'M', 'fa', now(), now()); \
             INSERT INTO patient_accesses (id, organization_id, patient_id, key_lookup, key_sealed, password_hash, password_sealed, created_at, updated_at) \
             VALUES ('{FIRST}', '{ORGANIZATION}', '{FIRST}', sha256('a'), '', '', '', now(), now()), \
                    ('{SECOND}', '{ORGANIZATION}', '{SECOND}', sha256('b'), '', '', '', now(), now()); \
             INSERT INTO invoices (id, organization_id, invoice_number, patient_id, invoice_date, due_date, status, currency, \
                tax_rate_hundredths, subtotal_amount, tax_amount, total_amount, access_id, created_at, updated_at) \
             VALUES ('{TRANSFER}', '{ORGANIZATION}', 'FAC-000001', '{FIRST}', now(), now(), 'paid', 'XOF', 0, 100, 0, 100, '{FIRST}', now(), now())"
        ),
    )
    .await;
}

#[tokio::test]
async fn inv5_finds_paid_invoices_without_their_patients_keys_and_second_sets() {
    let scratch = Scratch::of("portal").await;
    let client = scratch.connect().await;
    good_portal(&client).await;
    assert_eq!(keys::one_set_per_patient(&client).await.unwrap(), []);
    plant(
        &client,
        &format!("UPDATE invoices SET access_id = '{SECOND}'"),
    )
    .await;
    only(
        &keys::one_set_per_patient(&client).await.unwrap(),
        "FAC-000001",
    );
    plant(
        &client,
        "ALTER TABLE invoices DROP CONSTRAINT invoices_paid_has_keys; UPDATE invoices SET access_id = NULL",
    )
    .await;
    only(
        &keys::one_set_per_patient(&client).await.unwrap(),
        "links to no keys",
    );
    plant(
        &client,
        &format!(
            "UPDATE invoices SET status = 'sent'; DROP INDEX patient_accesses_patient_key; \
             UPDATE patient_accesses SET patient_id = '{FIRST}'"
        ),
    )
    .await;
    only(
        &keys::one_set_per_patient(&client).await.unwrap(),
        "has 2 key sets",
    );
    scratch.gone().await;
}

#[tokio::test]
async fn inv7_finds_unpublished_lost_phantom_and_half_dead_events() {
    let (portal, payments) = (Scratch::of("portal").await, Scratch::of("payments").await);
    let (from, to) = (portal.connect().await, payments.connect().await);
    let databases = Databases::of([
        ("portal", portal.connect().await),
        ("payments", payments.connect().await),
    ]);
    let subscriptions = [("payments", "recorded-payments", "portal.payment_recorded")];
    let check = async || each_once_of(&databases, &subscriptions).await.unwrap();
    from.batch_execute(&format!(
        "INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, payload, occurred_at, published_at) \
         VALUES ('{FIRST}', 'portal.payment_recorded', 1, 'portal', '{FIRST}', 1, '{{}}', now(), now())"
    ))
    .await
    .unwrap();
    let applied = format!(
        "INSERT INTO inbox_events (consumer, event_id) VALUES ('payments.recorded-payments', '{FIRST}')"
    );
    to.batch_execute(&applied).await.unwrap();
    assert_eq!(check().await, []);

    to.batch_execute("DELETE FROM inbox_events").await.unwrap();
    only(&check().await, "has not applied");

    to.batch_execute(&format!(
        "INSERT INTO dead_letters (id, queue, message_key, event_id, routing_key, reason, body, first_died_at, died_at) \
         VALUES (gen_random_uuid(), 'x.payments.recorded-payments', 'k', '{FIRST}', 'r', 'poison', '', now(), now())"
    ))
    .await
    .unwrap();
    assert_eq!(check().await, [], "a listed dead letter is not lost");

    to.batch_execute(&applied).await.unwrap();
    only(&check().await, "still lists it as dead");

    to.batch_execute("DELETE FROM dead_letters").await.unwrap();
    to.batch_execute(&format!(
        "INSERT INTO inbox_events (consumer, event_id) VALUES ('payments.recorded-payments', '{SECOND}')"
    ))
    .await
    .unwrap();
    only(&check().await, "which no outbox holds");

    to.batch_execute(&format!(
        "DELETE FROM inbox_events WHERE event_id = '{SECOND}'"
    ))
    .await
    .unwrap();
    from.batch_execute("UPDATE outbox_events SET published_at = NULL")
        .await
        .unwrap();
    only(&check().await, "1 unpublished events");
    portal.gone().await;
    payments.gone().await;
}

/// The table of subscriptions is the services' event maps, line by line.
#[test]
fn the_subscriptions_are_those_of_the_services() {
    let names: std::collections::BTreeMap<String, &str> = common_types::events::catalogue()
        .into_iter()
        .map(|(name, _)| {
            let (_, entity) = name.split_once('.').unwrap();
            let title: String = entity
                .split('_')
                .map(|part| part[..1].to_uppercase() + &part[1..])
                .collect();
            (title, name)
        })
        .collect();
    let mut found: Vec<(String, String, String)> = Vec::new();
    for service in launcher::services::SERVICES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../services")
            .join(service.name)
            .join("src/consumers.rs");
        let text = std::fs::read_to_string(path)
            .unwrap()
            .replace(char::is_whitespace, "");
        for part in text.split(".on::<").skip(1) {
            let (kind, rest) = part.split_once(">(\"").unwrap();
            let family = rest.split('"').next().unwrap();
            let name = names
                .get(kind)
                .unwrap_or_else(|| panic!("{kind} is not in the catalogue"));
            found.push((
                service.name.to_owned(),
                family.to_owned(),
                (*name).to_owned(),
            ));
        }
    }
    found.sort();
    let mut listed: Vec<(String, String, String)> = SUBSCRIPTIONS
        .iter()
        .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
        .collect();
    listed.sort();
    assert_eq!(listed, found);
}

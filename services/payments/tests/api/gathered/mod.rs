//! Payments that wait for the same wallet are settled in one transaction, each as if it had come alone (Q-M1, Q-M6).

mod apart;
mod lost;
mod prepared;

use futures_util::future::join_all;
use serde_json::{Value, json};
use service_db::Conn;
use service_testing::eventually;
use tokio::task::JoinHandle;

use crate::{
    refunds::paid_charge,
    support::{Clinic, PATIENCE},
};

const PAY: &str = "/api/v1/wallet/pay/";
/// Transactions that settled a payment from a wallet.
const TRANSACTIONS: &str = "SELECT count(DISTINCT t.written_by) FROM ledger_transfers t \
    JOIN payments p ON p.id::text = t.reference WHERE p.provider = 'wallet'";
const PAYMENTS: &str = "SELECT count(*) FROM payments WHERE provider = 'wallet'";

/// A status and the exact body.
type Answer = (u16, Vec<u8>);

fn price(amount: i64) -> Value {
    json!({"amount": amount, "description": "x"})
}

/// A request of the doctor that is on its way.
fn sent(clinic: &Clinic, path: &str, key: &str, body: &Value) -> JoinHandle<Answer> {
    let request = clinic.service.post(path).bearer_auth(clinic.doctor_token());
    let request = request.header("Idempotency-Key", key).json(body);
    tokio::spawn(async move {
        loop {
            let answer = request.try_clone().unwrap().send().await.unwrap();
            let status = answer.status().as_u16();
            // 503 is a busy database: nothing was done, the same request is sent again.
            if status != 503 {
                return (status, answer.bytes().await.unwrap().to_vec());
            }
        }
    })
}

/// A lock in the hands of a test.
struct Held(Conn);

impl Held {
    /// The row of the doctor's wallet.
    async fn wallet(clinic: &Clinic) -> Self {
        let row = "SELECT 1 FROM ledger_accounts WHERE code = 'wallet' FOR UPDATE";
        Self::by(clinic, row).await
    }

    /// Whoever writes the audit row of a payment of this amount, once.
    async fn amount(clinic: &Clinic, amount: i64) -> Self {
        clinic
            .as_owner(&format!(
                "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.details ->> 'amount' = '{amount}' THEN PERFORM pg_advisory_xact_lock(4711); END IF; RETURN NEW; \
                 END $$; CREATE TRIGGER held BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION held()",
            ))
            .await;
        Self::by(clinic, "SELECT pg_advisory_xact_lock(4711)").await
    }

    async fn by(clinic: &Clinic, sql: &str) -> Self {
        use diesel_async::SimpleAsyncConnection;
        let mut conn = clinic.service.database.owner().await.get().await.unwrap();
        conn.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
        Self(conn)
    }

    async fn let_go(mut self) {
        use diesel_async::SimpleAsyncConnection;
        self.0.batch_execute("COMMIT").await.unwrap();
    }
}

/// So many stand at a lock of the database. Asked as the owner, who sees what others wait for.
async fn standing(clinic: &Clinic, many: i64) {
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Number {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        number: i64,
    }
    let owner = clinic.service.database.owner().await;
    eventually(PATIENCE, async || {
        let mut conn = owner.get().await.unwrap();
        let found: Number = diesel::sql_query(
            "SELECT count(*) AS number FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .get_result(&mut conn)
        .await
        .unwrap();
        found.number == many
    })
    .await;
}

/// The first stands at the wallet's row, and the others wait behind it in the order in which they are given.
async fn in_a_lane(clinic: &Clinic, asked: &[(&str, String, Value)]) -> Vec<JoinHandle<Answer>> {
    let mut running = Vec::new();
    for (behind, (path, key, body)) in asked.iter().enumerate() {
        running.push(sent(clinic, path, key, body));
        match behind {
            0 => standing(clinic, 1).await,
            _ => {
                let lanes = &clinic.service.state.lanes;
                eventually(PATIENCE, async || lanes.waiting() == behind).await;
            }
        }
    }
    running
}

/// The answers to requests of which all but the first waited for it together.
async fn gathered(clinic: &Clinic, asked: &[(&str, String, Value)]) -> Vec<Answer> {
    let held = Held::wallet(clinic).await;
    let running = in_a_lane(clinic, asked).await;
    held.let_go().await;
    answers(running).await
}

async fn answers(running: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let answers = join_all(running).await.into_iter();
    answers.map(|answer| answer.unwrap()).collect()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|(status, _)| *status).collect()
}

fn payments_of(amounts: impl IntoIterator<Item = i64>) -> Vec<(&'static str, String, Value)> {
    let asked = amounts.into_iter().enumerate();
    asked
        .map(|(number, amount)| (PAY, format!("k{number}"), price(amount)))
        .collect()
}

/// Of each kind of row, what is not its own (ids, times, amounts, numbers, the request) in a text; and how many there are.
const SHAPES: [(&str, &str); 8] = [
    (
        "payments",
        "SELECT to_jsonb(p) - '{id,amount,created_at,updated_at,completed_at,expires_at}'::text[] \
         || jsonb_build_array(p.expires_at - p.created_at, p.completed_at = p.created_at, p.updated_at = p.created_at) \
         FROM payments p WHERE p.provider = 'wallet'",
    ),
    (
        "history",
        "SELECT to_jsonb(l) - '{id,payment_id,created_at}'::text[] FROM payment_logs l \
         JOIN payments p ON p.id = l.payment_id AND l.created_at = p.completed_at WHERE p.provider = 'wallet'",
    ),
    (
        "audit",
        "SELECT to_jsonb(a) - '{id,subject_ids,occurred_at,request_id,details}'::text[] || (a.details - 'amount') \
         || jsonb_build_array(a.request_id <> '', a.details ->> 'amount' = p.amount::text) FROM audit_entries a \
         JOIN payments p ON a.subject_ids = ARRAY[p.id::text] AND a.occurred_at = p.created_at WHERE p.provider = 'wallet'",
    ),
    (
        "settled events",
        "SELECT to_jsonb(o) - '{id,aggregate_id,payload,available_at,occurred_at}'::text[] \
         || (o.payload - '{payment_id,amount,settled_at}'::text[]) || jsonb_build_array(\
         (o.payload ->> 'payment_id')::uuid = p.id, (o.payload ->> 'amount')::bigint = p.amount) FROM outbox_events o \
         JOIN payments p ON p.id = o.aggregate_id AND o.occurred_at = p.completed_at WHERE p.provider = 'wallet' \
         AND o.name = 'payments.payment_settled'",
    ),
    (
        "transfers",
        "SELECT to_jsonb(t) - '{id,reference,created_at,written_by}'::text[] FROM ledger_transfers t \
         JOIN payments p ON p.id::text = t.reference AND t.created_at = p.completed_at WHERE p.provider = 'wallet'",
    ),
    (
        "lines of the wallet",
        "SELECT to_jsonb(e) - '{id,transfer_id,amount,line,balance_after,created_at}'::text[] \
         || jsonb_build_array(e.amount = -p.amount, e.created_at = p.completed_at) FROM ledger_entries e \
         JOIN ledger_accounts a ON a.id = e.account_id AND a.code = 'wallet' JOIN ledger_transfers t ON t.id = e.transfer_id \
         JOIN payments p ON p.id::text = t.reference WHERE p.provider = 'wallet'",
    ),
    (
        "debited events",
        "SELECT to_jsonb(o) - '{id,payload,aggregate_version,available_at,occurred_at}'::text[] \
         || (o.payload - '{amount,aggregate_version,balance_after,reference,debited_at}'::text[]) \
         || jsonb_build_array(o.aggregate_version = e.line, (o.payload ->> 'aggregate_version')::bigint = e.line, \
         (o.payload ->> 'balance_after')::bigint = e.balance_after, (o.payload ->> 'amount')::bigint = -e.amount) \
         FROM outbox_events o JOIN ledger_transfers t ON t.reference = o.payload ->> 'reference' \
         JOIN ledger_entries e ON e.transfer_id = t.id AND e.account_id = o.aggregate_id \
         WHERE o.name = 'payments.wallet_debited'",
    ),
    (
        "kept answers",
        "SELECT to_jsonb(k) - '{key,body,body_hash,created_at}'::text[] || (b.said - '{id,amount,created_at,expires_at,\
         completed_at}'::text[]) || jsonb_build_array((b.said ->> 'amount')::bigint = p.amount, length(k.body_hash)) \
         FROM idempotency_keys k CROSS JOIN LATERAL (SELECT convert_from(k.body, 'UTF8')::jsonb AS said) b \
         JOIN payments p ON p.id = (b.said ->> 'id')::uuid WHERE p.provider = 'wallet'",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_parallel_payments_of_a_wallet_are_gathered_and_each_is_written_as_if_it_had_come_alone()
 {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let alone = sent(&clinic, PAY, "alone", &price(100)).await.unwrap();
    assert_eq!(alone.0, 201);
    let asked = payments_of(101..=112);
    let given = gathered(&clinic, &asked).await;
    assert_eq!(statuses(&given), [201; 12]);
    // Alone, the first of the lane, and the eleven that waited.
    assert_eq!(clinic.number(PAYMENTS).await, 13);
    assert_eq!(clinic.number(TRANSACTIONS).await, 3);
    for (what, sql) in SHAPES {
        let rows = format!("SELECT shape::text AS line FROM ({sql}) AS rows (shape)");
        let mut shapes = clinic.rows(&rows).await;
        assert_eq!(shapes.len(), 13, "{what}: each once");
        shapes.dedup();
        assert_eq!(shapes.len(), 1, "{what}: {shapes:#?}");
        assert!(!shapes[0].contains("false"), "{what}: {}", shapes[0]);
    }
    assert_eq!(
        clinic
            .number("SELECT count(DISTINCT request_id) FROM audit_entries WHERE action = 'payment.started' AND details ->> 'purpose' = 'service'")
            .await,
        13,
        "each names its own request"
    );
    // In the order in which they came, without gaps, each with its balance.
    let lines = clinic
        .rows(
            "SELECT concat_ws(' ', e.line, e.amount, e.balance_after) AS line FROM ledger_entries e \
             JOIN ledger_accounts a ON a.id = e.account_id WHERE a.code = 'wallet' ORDER BY e.line",
        )
        .await;
    let mut balance = 50_000;
    let mut expected = vec!["1 50000 50000".to_owned()];
    for (line, amount) in (2..).zip(100..=112) {
        balance -= amount;
        expected.push(format!("{line} -{amount} {balance}"));
    }
    assert_eq!(lines, expected);
    assert_eq!(clinic.balance("service_income").await, 50_000 - balance);
    // The same requests again: the same bytes.
    let token = clinic.doctor_token();
    for ((path, key, body), (_, first)) in asked.iter().zip(&given) {
        let again = clinic.keyed(path, &token, key, body).await;
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.bytes().await.unwrap(), first);
    }
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_hundreds_of_parallel_payments_are_each_there_once_in_few_transactions() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let running = (0..300).map(|number| sent(&clinic, PAY, &format!("k{number}"), &price(10)));
    let given = answers(running.collect()).await;
    assert_eq!(statuses(&given), [201; 300]);
    let transactions = clinic.number(TRANSACTIONS).await;
    assert!(transactions < 150, "{transactions} transactions");
    assert_eq!(clinic.number(PAYMENTS).await, 300);
    assert_eq!(clinic.balance("wallet").await, 47_000);
    assert_eq!(
        clinic.events_named("payments.wallet_debited").await.len(),
        300
    );
    assert_eq!(clinic.service.state.lanes.waiting(), 0);
    clinic.books_are_right().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q_m6_services_and_invoices_are_paid_together() {
    let clinic = Clinic::new().await;
    paid_charge(&clinic, 50_000).await;
    let invoice = clinic.invoice_in(25_000, "IRR").await;
    let part = json!({"invoice_id": invoice, "amount": 5_000});
    let mut asked = payments_of([100, 200, 300]);
    asked.push(("/api/v1/wallet/pay-invoice/", "i1".to_owned(), part.clone()));
    asked.push(("/api/v1/wallet/pay-invoice/", "i2".to_owned(), part));
    let given = gathered(&clinic, &asked).await;
    assert_eq!(statuses(&given), [201; 5]);
    assert_eq!(clinic.number(TRANSACTIONS).await, 2);
    assert_eq!(
        (
            clinic.balance("service_income").await,
            clinic.balance("invoice_receipts").await,
            clinic.balance("wallet").await
        ),
        (600, 10_000, 39_400)
    );
    clinic.books_are_right().await;
}

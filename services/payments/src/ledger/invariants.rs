//! What must hold between payments and ledger whatever happened (reliability INV1, INV2, INV4, INV6, INV7),
//! asked from the database itself. The reconciliation runs it over the recent past; tests and the lab
//! over everything.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct Difference {
    /// What, such as `not_booked`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The row it was found at.
    #[diesel(sql_type = Text)]
    pub subject: String,
    /// Whose money it is.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub organization_id: Option<Uuid>,
    /// The payment, when there is one.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub payment_id: Option<Uuid>,
    /// Minor units as they should be.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub expected: Option<i64>,
    /// Minor units as they are.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub found: Option<i64>,
    /// ISO code.
    #[diesel(sql_type = Nullable<Text>)]
    pub currency: Option<String>,
}

/// INV1: a transfer has at least two entries and sums to zero in each currency.
const TRANSFERS: &str = "SELECT 'transfer_unbalanced' AS kind, t.id::text AS subject, t.organization_id, \
    NULL::uuid AS payment_id, 0::bigint AS expected, coalesce(s.total, 0)::bigint AS found, s.currency \
    FROM ledger_transfers t LEFT JOIN LATERAL (SELECT e.currency, sum(e.amount) AS total, count(*) AS legs \
    FROM ledger_entries e WHERE e.transfer_id = t.id GROUP BY e.currency) s ON true \
    WHERE t.created_at >= $1 AND (s.legs IS NULL OR s.total <> 0 OR s.legs < 2)";

/// INV4: a payment with money is booked once, with its amount, out of and into somewhere.
const UNBOOKED: &str = "SELECT 'not_booked' AS kind, p.id::text AS subject, p.organization_id, p.id AS payment_id, \
    p.amount AS expected, coalesce(b.total, 0)::bigint AS found, p.currency FROM payments p \
    LEFT JOIN LATERAL (SELECT sum(e.amount) AS total FROM ledger_transfers t JOIN ledger_entries e \
    ON e.transfer_id = t.id AND e.amount > 0 AND e.currency = p.currency WHERE t.kind = 'settlement' \
    AND t.reference = p.id::text) b ON true WHERE p.completed_at >= $1 AND b.total IS DISTINCT FROM p.amount";

/// INV4: nothing else is booked as a settlement.
const UNPAID: &str = "SELECT 'booked_without_payment' AS kind, t.reference AS subject, t.organization_id, \
    p.id AS payment_id, 0::bigint AS expected, (SELECT coalesce(sum(e.amount), 0) FROM ledger_entries e \
    WHERE e.transfer_id = t.id AND e.amount > 0)::bigint AS found, p.currency FROM ledger_transfers t \
    LEFT JOIN payments p ON p.id::text = t.reference WHERE t.kind = 'settlement' AND t.created_at >= $1 \
    AND (p.completed_at IS NULL)";

/// INV4: what went back is what the refunds say, and each succeeded refund is booked with its amount.
const REFUNDS: &str = "SELECT 'refund_differs' AS kind, p.id::text AS subject, p.organization_id, p.id AS payment_id, \
    (p.refunded_amount + p.refund_reserved) AS expected, coalesce(r.given, 0)::bigint AS found, p.currency \
    FROM payments p LEFT JOIN LATERAL (SELECT \
    sum(r.amount) FILTER (WHERE r.status NOT IN ('failed', 'rejected')) AS given, \
    sum(r.amount) FILTER (WHERE r.status = 'succeeded') AS gone, \
    count(*) FILTER (WHERE r.status = 'succeeded' AND r.amount IS DISTINCT FROM (SELECT sum(e.amount) \
    FROM ledger_entries e WHERE e.transfer_id = r.transfer_id AND e.amount > 0)) AS unbooked \
    FROM refunds r WHERE r.payment_id = p.id) r ON true WHERE p.completed_at >= $1 AND (\
    coalesce(r.given, 0) <> p.refunded_amount + p.refund_reserved OR coalesce(r.gone, 0) <> p.refunded_amount \
    OR coalesce(r.unbooked, 0) > 0)";

/// INV2: a stored balance is the sum of its entries, which have no gap.
const BALANCES: &str = "SELECT 'balance_differs' AS kind, a.id::text AS subject, a.organization_id, \
    NULL::uuid AS payment_id, coalesce(s.total, 0)::bigint AS expected, a.balance AS found, a.currency \
    FROM ledger_accounts a LEFT JOIN LATERAL (SELECT sum(e.amount) AS total, count(*) AS lines, \
    max(e.line) AS last FROM ledger_entries e WHERE e.account_id = a.id) s ON true \
    WHERE a.created_at >= $1 AND (a.balance <> coalesce(s.total, 0) OR a.lines <> s.lines \
    OR a.lines <> coalesce(s.last, 0) OR a.balance < a.floor)";

/// INV2: each line's balance is that of the line before and its own amount.
const LINES: &str = "SELECT 'line_differs' AS kind, e.id::text AS subject, NULL::uuid AS organization_id, \
    NULL::uuid AS payment_id, e.running::bigint AS expected, e.balance_after AS found, e.currency FROM (\
    SELECT id, balance_after, currency, created_at, sum(amount) OVER (PARTITION BY account_id ORDER BY line) \
    AS running FROM ledger_entries) e WHERE e.created_at >= $1 AND e.running <> e.balance_after";

/// INV7: each settlement was told once, in the outbox.
const UNTOLD: &str = "SELECT 'not_told' AS kind, p.id::text AS subject, p.organization_id, p.id AS payment_id, \
    1::bigint AS expected, o.told AS found, NULL::text AS currency FROM payments p CROSS JOIN LATERAL (\
    SELECT count(*) AS told FROM outbox_events o WHERE o.aggregate_id = p.id \
    AND o.name = 'payments.payment_settled') o WHERE p.completed_at >= $1 AND o.told <> 1";

/// INV6: what a kept answer says was made is there.
const ANSWERS: &str = "SELECT 'answer_without_effect' AS kind, k.route || ' ' || k.key AS subject, NULL::uuid AS organization_id, \
    NULL::uuid AS payment_id, 1::bigint AS expected, 0::bigint AS found, NULL::text AS currency FROM idempotency_keys k \
    CROSS JOIN LATERAL (SELECT convert_from(k.body, 'UTF8')::jsonb AS said) b \
    CROSS JOIN LATERAL (SELECT coalesce(b.said ->> 'id', b.said ->> 'transaction_id')::uuid AS id) made \
    WHERE k.created_at >= $1 AND k.status = 201 AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = made.id) \
    AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.id = made.id) AND NOT EXISTS (SELECT 1 FROM payouts o WHERE o.id = made.id)";

/// What differs between payments and ledger since `since`, at most 100 of each kind. Every question
/// has an index.
///
/// # Errors
/// When the database refuses.
pub async fn recent_differences(
    conn: &mut AsyncPgConnection,
    since: DateTime<Utc>,
) -> diesel::QueryResult<Vec<Difference>> {
    ask(conn, &[TRANSFERS, UNBOOKED, UNPAID, REFUNDS], since).await
}

/// Everything that does not hold, over all rows: for the nightly run, tests and the lab.
///
/// # Errors
/// When the database refuses.
pub async fn all_differences(conn: &mut AsyncPgConnection) -> diesel::QueryResult<Vec<Difference>> {
    let all = [
        TRANSFERS, UNBOOKED, UNPAID, REFUNDS, BALANCES, LINES, ANSWERS,
    ];
    ask(conn, &all, DateTime::UNIX_EPOCH).await
}

/// Settlements that were not told exactly once; only as long as the outbox keeps its rows.
///
/// # Errors
/// When the database refuses.
pub async fn untold_settlements(
    conn: &mut AsyncPgConnection,
) -> diesel::QueryResult<Vec<Difference>> {
    ask(conn, &[UNTOLD], DateTime::UNIX_EPOCH).await
}

/// INV3: one hash over every transfer up to the id `until` (ids grow with time) and its entries; what was
/// written before a fault must hash the same after it.
///
/// # Errors
/// When the database refuses.
pub async fn fingerprint(conn: &mut AsyncPgConnection, until: Uuid) -> diesel::QueryResult<String> {
    #[derive(QueryableByName)]
    struct Hash {
        #[diesel(sql_type = Text)]
        hash: String,
    }
    let row: Hash = diesel::sql_query(
        "SELECT md5(coalesce((SELECT string_agg(e::text, chr(10) ORDER BY e.id) FROM ledger_entries e \
         WHERE e.transfer_id <= $1), '') || coalesce((SELECT string_agg(t::text, chr(10) ORDER BY t.id) \
         FROM ledger_transfers t WHERE t.id <= $1), '')) AS hash",
    )
    .bind::<SqlUuid, _>(until)
    .get_result(conn)
    .await?;
    Ok(row.hash)
}

async fn ask(
    conn: &mut AsyncPgConnection,
    questions: &[&str],
    since: DateTime<Utc>,
) -> diesel::QueryResult<Vec<Difference>> {
    let mut differences = Vec::new();
    for question in questions {
        let found: Vec<Difference> = diesel::sql_query(format!("{question} LIMIT 100"))
            .bind::<Timestamptz, _>(since)
            .load(conn)
            .await?;
        differences.extend(found);
    }
    Ok(differences)
}

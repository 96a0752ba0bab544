//! The SQL of both routes for pgbench, what the run needs beforehand, and what must hold afterwards.

use anyhow::{Result, ensure};
use uuid::Uuid;

use crate::postgres::Postgres;

/// The services' databases.
pub(super) const INTEGRATIONS: &str = "integrations";
pub(super) const PAYMENTS: &str = "payments";

/// The id of the provider's endpoint.
pub(super) async fn endpoint(postgres: &Postgres) -> Result<String> {
    let sql = "SELECT id FROM webhook_endpoints WHERE endpoint_url = 'payment-status'";
    postgres.sql(INTEGRATIONS, sql).await
}

/// Webhooks that are stored, and events that tell of them.
pub(super) async fn webhooks(postgres: &Postgres) -> Result<(i64, i64)> {
    let stored = "SELECT count(*) FROM webhook_events WHERE is_valid AND is_processed";
    let told = "SELECT count(DISTINCT aggregate_id) FROM outbox_events WHERE name = 'integrations.webhook_received'";
    let twice = "SELECT count(*) - count(DISTINCT aggregate_id) FROM outbox_events WHERE name = 'integrations.webhook_received'";
    ensure!(
        postgres.number(INTEGRATIONS, twice).await? == 0,
        "a webhook was told twice"
    );
    Ok((
        postgres.number(INTEGRATIONS, stored).await?,
        postgres.number(INTEGRATIONS, told).await?,
    ))
}

/// The statements of a webhook that is taken in: its endpoint, the event, the outbox row.
pub(super) fn intake(endpoint: &str) -> String {
    format!(
        r#"\set n random(1, 9000000000000)
SELECT e.id, e.organization_id, e.endpoint_url, e.secret_sealed, e.previous_secret_sealed, e.previous_secret_until, e.events, e.tolerance_seconds, e.legacy_replies, p.slug FROM webhook_endpoints e JOIN providers p ON p.id = e.provider_id WHERE e.endpoint_url = 'payment-status' AND e.is_active;
BEGIN;
INSERT INTO webhook_events (id, endpoint_id, organization_id, dedupe_key, event_type, raw_body, headers, signature, is_valid, error_message, received_at, retry_at, is_processed, processed_at, version) VALUES (gen_random_uuid(), '{endpoint}', NULL, concat_ws(chr(58), 'id', 'payment.success', 'same_' || :n::bigint::text), 'payment.success', convert_to('{{"event_id": "evt_000000000000","event": "payment.success","data": {{"payment_id": "pay_000000000000","order_id": "01900000-0000-7000-8000-000000000000","amount": 250000,"currency": "IRR","status": "paid"}}}}', 'UTF8'), '{{"content-type": "application/json", "content-length": "196"}}', repeat('0', 64), true, '', now(), NULL, true, now(), 2) ON CONFLICT DO NOTHING RETURNING id, endpoint_id, event_type, raw_body, is_valid, is_processed, retry_count, received_at, id AS event \gset
INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, organization_id, payload, traceparent, occurred_at) VALUES (gen_random_uuid(), 'integrations.webhook_received', 1, 'integrations', :event::uuid, 2, NULL, '{{"webhook_event_id": "01900000-0000-7000-8000-000000000000", "aggregate_version": 2, "organization_id": null, "endpoint": "payment-status", "provider_slug": "sandbox", "event_type": "payment.success", "provider_reference": "pay_000000000000", "order_reference": "01900000-0000-7000-8000-000000000000", "received_at": "2026-11-21T10:00:00Z"}}', NULL, now());
COMMIT;
"#
    )
}

/// Opens a wallet for each person and puts money into it.
pub(super) async fn fill_wallets(
    postgres: &Postgres,
    organization: Uuid,
    people: &[Uuid],
    held: i64,
) -> Result<()> {
    let (opening, transfer) = (Uuid::now_v7(), Uuid::now_v7());
    let people: Vec<String> = people.iter().map(Uuid::to_string).collect();
    let (people, many) = (people.join(","), people.len());
    let sql = format!(
        "BEGIN; INSERT INTO ledger_accounts (id, organization_id, code, owner_id, currency, floor, created_at) \
         SELECT gen_random_uuid(), '{organization}', 'wallet', person, 'IRR', 0, now() \
         FROM unnest('{{{people}}}'::uuid[]) AS person; \
         INSERT INTO ledger_accounts (id, organization_id, code, currency, created_at) \
         VALUES ('{opening}', '{organization}', 'opening_balance', 'IRR', now()); \
         INSERT INTO ledger_transfers (id, organization_id, kind, reference, created_at) \
         VALUES ('{transfer}', '{organization}', 'opening', 'bench', now()); \
         INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at) \
         SELECT gen_random_uuid(), '{transfer}'::uuid, id, {held}::bigint, 'IRR', now() FROM ledger_accounts \
         WHERE code = 'wallet' UNION ALL \
         SELECT gen_random_uuid(), '{transfer}'::uuid, '{opening}'::uuid, -{held}::bigint * {many}, 'IRR', now(); \
         COMMIT; ANALYZE"
    );
    postgres.sql(PAYMENTS, &sql).await.map(drop)
}

/// Every answered payment is there, paid once, told once, and the money went from wallets to the income.
pub(super) async fn check_books(
    postgres: &Postgres,
    wallets: usize,
    held: i64,
    (settled, price): (i64, i64),
) -> Result<()> {
    let all = i64::try_from(wallets)? * held;
    let (settled_in, sum) = (
        "provider = 'wallet' AND status = 'completed'",
        settled * price,
    );
    for (what, sql, wanted) in [
        ("payments", format!("SELECT count(*) FROM payments WHERE {settled_in}"), settled),
        ("settlements", "SELECT count(*) FROM ledger_transfers WHERE kind = 'settlement'".into(), settled),
        ("keys", "SELECT count(*) FROM idempotency_keys WHERE status = 201".into(), settled),
        ("audit rows", "SELECT count(*) FROM audit_entries WHERE action = 'payment.started'".into(), settled),
        ("settled events", "SELECT count(DISTINCT aggregate_id) FROM outbox_events WHERE name = 'payments.payment_settled'".into(), settled),
        ("debited events", "SELECT count(*) FROM outbox_events WHERE name = 'payments.wallet_debited'".into(), settled),
        ("the wallets", "SELECT sum(balance) FROM ledger_accounts WHERE code = 'wallet'".into(), all - sum),
        ("the income", "SELECT sum(balance) FROM ledger_accounts WHERE code = 'service_income'".into(), sum),
        ("all entries", "SELECT sum(amount) FROM ledger_entries".into(), 0),
        ("unbalanced transfers", "SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY transfer_id HAVING sum(amount) <> 0 OR count(*) < 2) t".into(), 0),
        ("wrong balances", "SELECT count(*) FROM ledger_accounts a WHERE a.balance <> (SELECT coalesce(sum(amount), 0) FROM ledger_entries e WHERE e.account_id = a.id)".into(), 0),
    ] {
        let found = postgres.number(PAYMENTS, &sql).await?;
        ensure!(found == wanted, "{what}: {found} instead of {wanted}");
    }
    Ok(())
}

/// The accounts of the run, as pgbench moves money between them.
pub(super) struct Accounts {
    organization: String,
    /// (wallet account, its owner).
    wallets: Vec<(String, String)>,
    income: Vec<String>,
}

impl Accounts {
    pub(super) async fn of(postgres: &Postgres) -> Result<Self> {
        let rows = postgres
            .sql(
                PAYMENTS,
                "SELECT id || ' ' || owner_id FROM ledger_accounts WHERE code = 'wallet' ORDER BY id",
            )
            .await?;
        let wallets = rows
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, owner)| (id.to_owned(), owner.to_owned()));
        let income = postgres
            .sql(
                PAYMENTS,
                "SELECT id FROM ledger_accounts WHERE code = 'service_income' ORDER BY shard",
            )
            .await?;
        Ok(Self {
            organization: postgres
                .sql(
                    PAYMENTS,
                    "SELECT DISTINCT organization_id FROM ledger_accounts",
                )
                .await?,
            wallets: wallets.collect(),
            income: income.lines().map(str::to_owned).collect(),
        })
    }

    /// The statements of a payment from one of the first wallets, in their order: key, payment, audit row, state, log, event,
    /// kept answer, accounts, transfer, entries, event of the wallet.
    pub(super) fn settle(&self, wallets: usize) -> String {
        let org = &self.organization;
        let list = |values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            format!("(ARRAY[{}]::uuid[])", quoted.join(","))
        };
        let some = &self.wallets[..wallets.min(self.wallets.len())];
        let accounts: Vec<String> = some.iter().map(|(id, _)| id.clone()).collect();
        let owners: Vec<String> = some.iter().map(|(_, owner)| owner.clone()).collect();
        let (accounts, owners, income) = (list(&accounts), list(&owners), list(&self.income));
        let (many, shards) = (some.len(), self.income.len());
        format!(
            r#"\set n random(1, 9000000000000)
\set w random(1, {many})
\set s random(1, {shards})
BEGIN;
SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency bench ' || :n::bigint::text, 7)) AS taken;
SELECT body_hash, status, headers, body FROM idempotency_keys WHERE subject = 'bench' AND route = '/api/v1/wallet/pay/' AND key = :n::bigint::text AND created_at + interval '7 days' > now();
INSERT INTO payments (id, organization_id, payer_id, purpose, status, amount, currency, description, provider, client_ip, expires_at, created_at, updated_at) VALUES (gen_random_uuid(), '{org}', {owners}[:w::int], 'service', 'pending', 7, 'IRR', 'bench', 'wallet', '127.0.0.1', now() + interval '1 minute', now(), now()) RETURNING *, id AS payment \gset
INSERT INTO audit_entries (id, occurred_at, actor, actor_kind, action, subject_kind, subject_ids, organization_id, outcome, ip, details) VALUES (gen_random_uuid(), now(), 'bench', 'user', 'payment.started', 'payment', ARRAY[:payment::text], '{org}', 'success', '127.0.0.1', '{{"purpose": "service", "amount": 7, "currency": "IRR", "invoice_id": null, "soapify_user_id": null}}');
UPDATE payments SET status = 'completed', tracking_code = NULL, version = version + 1, next_check_at = NULL, review_reason = NULL, failure_reason = NULL, completed_at = now(), updated_at = now() WHERE id = :payment::uuid AND status = ANY (ARRAY['pending', 'processing', 'failed', 'cancelled', 'expired']) RETURNING *;
INSERT INTO payment_logs (id, payment_id, kind, details, created_at) VALUES (gen_random_uuid(), :payment::uuid, 'verification', '{{"outcome": "settled", "tracking_code": null}}', now());
INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, organization_id, payload, traceparent, occurred_at) VALUES (gen_random_uuid(), 'payments.payment_settled', 1, 'payments', :payment::uuid, 2, '{org}', '{{"payment_id": "01900000-0000-7000-8000-000000000000", "aggregate_version": 2, "purpose": "service", "invoice_id": null, "amount": 7, "currency": "IRR", "provider": "wallet", "provider_reference": "", "settled_at": "2026-11-21T10:00:00Z"}}', NULL, now());
INSERT INTO idempotency_keys (subject, route, key, body_hash, status, headers, body, created_at) VALUES ('bench', '/api/v1/wallet/pay/', :n::bigint::text, decode(repeat('00', 32), 'hex'), 201, '[]', convert_to(repeat('x', 700), 'UTF8'), now()) ON CONFLICT (subject, route, key) DO UPDATE SET body_hash = excluded.body_hash, status = excluded.status, headers = excluded.headers, body = excluded.body, created_at = excluded.created_at;
SELECT id, organization_id, code, owner_id, currency, shard FROM ledger_accounts WHERE (organization_id = '{org}' AND code = 'wallet' AND currency = 'IRR' AND shard = 0 AND owner_id = {owners}[:w::int]) OR (organization_id = '{org}' AND code = 'service_income' AND currency = 'IRR' AND shard = :s::int - 1 AND owner_id IS NULL);
INSERT INTO ledger_transfers (id, organization_id, kind, reference, description, created_at) VALUES (:payment::uuid, '{org}', 'settlement', :payment::text, 'bench', now());
INSERT INTO ledger_entries (id, transfer_id, account_id, amount, currency, created_at) VALUES (gen_random_uuid(), :payment::uuid, {accounts}[:w::int], -7, 'IRR', now()), (gen_random_uuid(), :payment::uuid, {income}[:s::int], 7, 'IRR', now()) RETURNING account_id, amount, line, balance_after;
INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, organization_id, payload, traceparent, occurred_at) VALUES (gen_random_uuid(), 'payments.wallet_debited', 1, 'payments', {accounts}[:w::int], :n::bigint, '{org}', '{{"wallet_id": "01900000-0000-7000-8000-000000000000", "aggregate_version": 2, "amount": 7, "balance_after": 999999993, "currency": "IRR", "kind": "settlement", "reference": "01900000-0000-7000-8000-000000000000", "debited_at": "2026-11-21T10:00:00Z"}}', NULL, now());
COMMIT;
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hot_script_uses_one_wallet() {
        let pair = |n: u32| (format!("w{n}"), format!("o{n}"));
        let accounts = Accounts {
            organization: "org".into(),
            wallets: vec![pair(1), pair(2)],
            income: vec!["i1".into()],
        };
        let script = accounts.settle(1);
        assert!(script.contains("\\set w random(1, 1)") && !script.contains("w2"));
        assert!(accounts.settle(9).contains("random(1, 2)"));
    }
}

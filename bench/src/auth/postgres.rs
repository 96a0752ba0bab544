//! The SQL of a code, and codes that are stored already.

use anyhow::{Result, ensure};

pub(super) use crate::postgres::Postgres;

/// The service's database.
pub(super) const DATABASE: &str = "auth";

/// The statement of our route, all budgets included, for as many numbers in as many blocks as our service is asked for.
pub(super) fn same_sql() -> String {
    "\\set number random(0, 99999999)\n\\set client random(1, 2000)\n\
     SELECT outcome, moment, replaced FROM issue_code(gen_random_uuid(), 'login_s2', '+1' || :number::bigint, '', decode(repeat('00', 32), 'hex'), 5, now(), \
     now() + interval '4 minutes', now() - interval '1 minute', 100, 5, 10, date_trunc('hour', now()), \
     ARRAY['ip-p' || :client::bigint, 'net-p' || :client::bigint, 'block:' || (:number::bigint / 10000)], \
     ARRAY[100000000, 100000000, 100000000]::bigint[], gen_random_uuid(), \
     '{\"code_id\": \"01900000-0000-7000-8000-000000000101\", \"aggregate_version\": 1, \"organization_id\": null, \
     \"purpose\": \"login_s2\", \"issued_at\": \"2026-11-21T10.00.00Z\", \"expires_at\": \"2026-11-21T10.04.00Z\"}', NULL, NULL);\n"
        .to_owned()
}

/// What a code costs without any budget: close the older ones, insert the code, insert the outbox row, in one statement.
pub(super) fn least_sql() -> String {
    "\\set number random(1, 2000000000)\n\
     WITH closed AS (UPDATE one_time_codes SET spent_at = now() WHERE phone = '+2' || :number::bigint AND purpose = 'login_s2' \
     AND binding = '' AND used_at IS NULL AND spent_at IS NULL), made AS (INSERT INTO one_time_codes \
     (id, purpose, phone, binding, code_hash, max_attempts, created_at, expires_at) VALUES (gen_random_uuid(), 'login_s2', \
     '+2' || :number::bigint, '', decode(repeat('00', 32), 'hex'), 5, now(), now() + interval '4 minutes') RETURNING id) \
     INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, payload, occurred_at) \
     SELECT gen_random_uuid(), 'auth.code_issued', 1, 'auth-otp', id, 1, '{\"purpose\": \"login_s2\"}', now() FROM made;\n"
        .to_owned()
}

/// How many rows there are.
pub(super) async fn count(postgres: &Postgres, what: &str) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM {what}");
    postgres.number(DATABASE, &sql).await
}

/// Stores so many codes of other numbers, alive and used.
pub(super) async fn fill(postgres: &Postgres, stored: u32) -> Result<()> {
    let sql = format!(
        "INSERT INTO one_time_codes (id, purpose, phone, binding, code_hash, max_attempts, created_at, expires_at, used_at) \
         SELECT gen_random_uuid(), 'login_s4', '+3' || n, '', decode(repeat('00', 32), 'hex'), 5, now(), \
         now() + interval '5 minutes', CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, {stored}) n"
    );
    postgres.sql(DATABASE, &sql).await?;
    postgres.sql(DATABASE, "ANALYZE").await?;
    ensure!(
        count(postgres, "one_time_codes").await? >= i64::from(stored),
        "the codes were not stored"
    );
    Ok(())
}

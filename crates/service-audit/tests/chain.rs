//! The chain of audit seals against a real database.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use chrono::Utc;
use common_types::SystemClock;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use serde_json::json;
use service_audit::{
    ActorKind, AuditEntry, Damage, Sealer, record, record_all, seal_pending, verify_chain,
};
use service_testing::{TestDb, eventually};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const NONE: EmbeddedMigrations = embed_migrations!("tests/migrations");

async fn database() -> TestDb {
    TestDb::create("audit-alone", NONE).await
}

fn entry(n: usize) -> AuditEntry {
    AuditEntry::new(
        Uuid::now_v7(),
        ActorKind::User,
        "patient.viewed",
        Utc::now(),
    )
    .subjects("patient", [Uuid::now_v7(), Uuid::now_v7()])
    .organization(Some(Uuid::now_v7()))
    .origin(Some([127, 0, 0, 1].into()), Some(format!("r{n}")))
    .details(json!({"n": n, "z": {"b": 1, "a": [1.5, "x", null]}}))
}

async fn fill(conn: &mut AsyncPgConnection, count: usize) {
    for n in 0..count {
        record(conn, entry(n)).await.unwrap();
    }
}

async fn run(conn: &mut AsyncPgConnection, sql: &str) -> usize {
    diesel::sql_query(sql).execute(conn).await.unwrap()
}

/// Twelve entries under three seals.
async fn sealed(conn: &mut AsyncPgConnection) {
    for _ in 0..3 {
        fill(conn, 4).await;
        assert_eq!(seal_pending(conn, None, Utc::now()).await.unwrap(), 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_an_untouched_chain_is_intact() {
    let database = database().await;
    let mut conn = database.db.get().await.unwrap();
    sealed(&mut conn).await;
    fill(&mut conn, 2).await;
    let report = verify_chain(&mut conn).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!(
        (report.seals, report.sealed_entries, report.unsealed_entries),
        (3, 12, 2)
    );
    assert_eq!(report.head.len(), 64);
    assert_eq!(seal_pending(&mut conn, None, Utc::now()).await.unwrap(), 2);
    assert_eq!(seal_pending(&mut conn, None, Utc::now()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_many_at_once_are_rows_like_any_other() {
    #[derive(diesel::QueryableByName)]
    struct Rows {
        #[diesel(sql_type = BigInt)]
        rows: i64,
        #[diesel(sql_type = BigInt)]
        shapes: i64,
    }
    let database = database().await;
    let mut conn = database.db.get().await.unwrap();
    // Bare as well, so that what is absent stays absent.
    let bare = || AuditEntry::new("someone", ActorKind::System, "a\nb", Utc::now());
    record(&mut conn, bare()).await.unwrap();
    assert_eq!(
        record_all(&mut conn, vec![bare(), bare(), bare()])
            .await
            .unwrap(),
        3
    );
    let found: Rows = diesel::sql_query(
        "SELECT count(*) AS rows, count(DISTINCT to_jsonb(a) - '{id,occurred_at}'::text[]) AS shapes FROM audit_entries a",
    )
    .get_result(&mut conn)
    .await
    .unwrap();
    assert_eq!((found.rows, found.shapes), (4, 1));
    assert_eq!(
        record_all(&mut conn, vec![entry(1), entry(2)])
            .await
            .unwrap(),
        2
    );
    assert_eq!(seal_pending(&mut conn, None, Utc::now()).await.unwrap(), 6);
    assert!(verify_chain(&mut conn).await.unwrap().is_intact());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_every_tampering_is_found() {
    let first = "SELECT entry_ids[2] FROM audit_seals WHERE number = 2";
    let tamperings = [
        format!("UPDATE audit_entries SET actor = 'someone else' WHERE id = ({first})"),
        format!("UPDATE audit_entries SET details = '{{}}' WHERE id = ({first})"),
        format!(
            "UPDATE audit_entries SET occurred_at = occurred_at - interval '1 us' WHERE id = ({first})"
        ),
        format!("UPDATE audit_entries SET ip = NULL WHERE id = ({first})"),
        format!(
            "WITH gone AS (DELETE FROM audit_sealed_entries WHERE entry_id = ({first})) SELECT 1"
        ),
        "UPDATE audit_seals SET sealed_at = sealed_at + interval '1 day' WHERE number = 2"
            .to_owned(),
        "UPDATE audit_seals SET entries_hash = hash WHERE number = 2".to_owned(),
    ];
    for sql in tamperings {
        let database = database().await;
        let owner = database.owner().await;
        let mut conn = owner.get().await.unwrap();
        sealed(&mut conn).await;
        run(&mut conn, &sql).await;
        assert!(!verify_chain(&mut conn).await.unwrap().is_intact(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_a_deleted_entry_and_a_deleted_seal_are_named() {
    let database = database().await;
    let owner = database.owner().await;
    let mut conn = owner.get().await.unwrap();
    sealed(&mut conn).await;
    run(
        &mut conn,
        "ALTER TABLE audit_sealed_entries DROP CONSTRAINT audit_sealed_entries_entry_id_fkey",
    )
    .await;
    run(&mut conn, "DELETE FROM audit_entries WHERE id = (SELECT entry_ids[1] FROM audit_seals WHERE number = 2)").await;
    let damage = verify_chain(&mut conn).await.unwrap().damage;
    assert!(
        matches!(damage.as_slice(), [Damage::MissingEntry { seal: 2, .. }]),
        "{damage:?}"
    );
    run(
        &mut conn,
        "ALTER TABLE audit_sealed_entries DROP CONSTRAINT audit_sealed_entries_seal_number_fkey",
    )
    .await;
    run(&mut conn, "DELETE FROM audit_seals WHERE number = 2").await;
    let damage = verify_chain(&mut conn).await.unwrap().damage;
    assert!(
        damage.contains(&Damage::MissingSeal { number: 2 }),
        "{damage:?}"
    );
    assert!(
        damage.contains(&Damage::BrokenSeal { number: 3 }),
        "{damage:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_the_service_may_only_append() {
    let database = database().await;
    let mut conn = database.db.get().await.unwrap();
    sealed(&mut conn).await;
    for table in ["audit_entries", "audit_seals", "audit_sealed_entries"] {
        for sql in [
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            let refused = diesel::sql_query(&sql)
                .execute(&mut conn)
                .await
                .unwrap_err();
            assert!(
                refused.to_string().contains("permission denied"),
                "{sql}: {refused}"
            );
        }
    }
    let changed = diesel::sql_query("UPDATE audit_entries SET actor = 'x'")
        .execute(&mut conn)
        .await;
    assert!(changed.is_err());
    assert!(verify_chain(&mut conn).await.unwrap().is_intact());
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_several_sealers_make_one_chain_within_a_second_or_so() {
    let database = database().await;
    let cancel = CancellationToken::new();
    let sealers: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn(
                Sealer::new(database.db.clone(), SystemClock::shared()).run(cancel.clone()),
            )
        })
        .collect();
    let writers = (0..4).map(|_| {
        let db = database.db.clone();
        tokio::spawn(async move {
            for n in 0..40 {
                let mut conn = db.get().await.unwrap();
                record(&mut conn, entry(n)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    eventually(Duration::from_secs(5), async || {
        let mut conn = database.db.get().await.unwrap();
        verify_chain(&mut conn).await.unwrap().unsealed_entries == 0
    })
    .await;
    cancel.cancel();
    for sealer in sealers {
        sealer.await.unwrap();
    }
    let mut conn = database.db.get().await.unwrap();
    let report = verify_chain(&mut conn).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.damage);
    assert_eq!(report.sealed_entries, 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn q_d2_many_rows_are_sealed_and_verified_quickly() {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let database = database().await;
    let mut conn = database.db.get().await.unwrap();
    run(
        &mut conn,
        "INSERT INTO audit_entries (id, occurred_at, actor, actor_kind, action, subject_kind, subject_ids, outcome, details)
         SELECT gen_random_uuid(), now(), 'a', 'user', 'x.viewed', 'x', ARRAY['1'], 'success', '{\"n\": 1}'
         FROM generate_series(1, 10000)",
    )
    .await;
    while seal_pending(&mut conn, None, Utc::now()).await.unwrap() > 0 {}
    let started = Instant::now();
    let report = verify_chain(&mut conn).await.unwrap();
    assert!(report.is_intact());
    assert_eq!((report.seals, report.sealed_entries), (10, 10_000));
    // A tenth of the rows in a tenth of the time that Q-D2 allows, in an unoptimised build.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let row: Count = diesel::sql_query("SELECT count(*) AS count FROM audit_seals")
        .get_result(&mut conn)
        .await
        .unwrap();
    assert_eq!(row.count, 10);
}

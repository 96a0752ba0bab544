use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use service_db::{Db, SHARED_MIGRATIONS, migrate, revert_all};
use service_testing::TestDb;

use crate::support::number;

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";

/// An empty database of its own: the shared tables taken back.
async fn empty() -> TestDb {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    revert_all(&test.settings(), SHARED_MIGRATIONS)
        .await
        .unwrap();
    test
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_up_down_and_up_again_to_the_same_shape() {
    let shape = async |db: &Db| {
        number(
            db,
            "SELECT hashtextextended(string_agg(table_name || column_name || data_type || \
             coalesce(column_default, '') || is_nullable, ',' ORDER BY table_name, column_name), 0) \
             FROM information_schema.columns WHERE table_schema = 'public'",
        )
        .await
    };
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    let owner = test.owner().await;
    let first = shape(&owner).await;
    revert_all(&test.settings(), SHARED_MIGRATIONS)
        .await
        .unwrap();
    assert_eq!(
        number(&owner, TABLES).await,
        1,
        "only diesel's own table stays"
    );
    let applied = migrate(&test.settings(), SHARED_MIGRATIONS, &[])
        .await
        .unwrap();
    assert_eq!(applied.len(), 2);
    assert_eq!(shape(&owner).await, first);
    assert!(
        migrate(&test.settings(), SHARED_MIGRATIONS, &[])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_migrate_at_once_do_it_once() {
    let test = empty().await;
    let settings = test.settings();
    let runs = (0..4).map(|_| migrate(&settings, SHARED_MIGRATIONS, &[]));
    let applied = futures_util::future::join_all(runs).await;
    let total: usize = applied
        .into_iter()
        .map(|versions| versions.unwrap().len())
        .sum();
    assert_eq!(total, 2);
}

#[tokio::test]
async fn migrations_run_on_a_single_threaded_runtime_too() {
    let test = empty().await;
    assert_eq!(
        migrate(&test.settings(), SHARED_MIGRATIONS, &[])
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_role_reads_and_writes_but_rewrites_no_history() {
    let test = TestDb::create_with("no-service", SHARED_MIGRATIONS, &["inbox_events"]).await;
    let mut conn = test.db.get().await.unwrap();
    conn.batch_execute(
        "INSERT INTO inbox_events (consumer, event_id) VALUES ('c', gen_random_uuid())",
    )
    .await
    .unwrap();
    for sql in [
        "UPDATE inbox_events SET consumer = 'x'",
        "DELETE FROM inbox_events",
        "TRUNCATE inbox_events",
        "UPDATE audit_entries SET outcome = 'x'",
        "DELETE FROM audit_seals",
        "CREATE TABLE sneaky (id int)",
        "DELETE FROM __diesel_schema_migrations",
    ] {
        let error = diesel::sql_query(sql).execute(&mut conn).await.unwrap_err();
        assert!(
            error.to_string().contains("permission denied"),
            "{sql}: {error}"
        );
    }
    conn.batch_execute("DELETE FROM outbox_events")
        .await
        .unwrap();
}

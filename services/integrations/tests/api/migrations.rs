//! The tables can be taken back and made again, and no foreign key is without an index.

use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use integrations::Integrations;
use service_http::ServiceDefinition;
use service_testing::TestDb;

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

async fn count(database: &TestDb, rows: &str) -> i64 {
    let mut conn = database.db.get().await.unwrap();
    let row: Count = diesel::sql_query(format!("SELECT count(*) AS count FROM {rows}"))
        .get_result(&mut conn)
        .await
        .unwrap();
    row.count
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_go_down_and_up_again_and_every_foreign_key_has_an_index() {
    let migrations = || Integrations::MIGRATIONS;
    let database = TestDb::create("integrations", migrations()).await;
    let settings = database.settings();
    let shape = "pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace \
                 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0";
    let functions = "pg_proc WHERE pronamespace = 'public'::regnamespace";
    let before = (
        count(&database, shape).await,
        count(&database, functions).await,
    );
    service_db::revert_all(&settings, migrations())
        .await
        .unwrap();
    assert!(count(&database, shape).await < 10);
    service_db::migrate(&settings, migrations(), &[])
        .await
        .unwrap();
    let after = (
        count(&database, shape).await,
        count(&database, functions).await,
    );
    assert_eq!(after, before);
    let loose = "pg_constraint c WHERE contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i \
                 WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)";
    assert_eq!(count(&database, loose).await, 0);
}

use content::MIGRATIONS;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
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
    let database = TestDb::create("content", MIGRATIONS).await;
    let settings = database.settings();
    let shape = "information_schema.columns WHERE table_schema = 'public'";
    let before = count(&database, shape).await;
    service_db::revert_all(&settings, MIGRATIONS).await.unwrap();
    assert!(count(&database, shape).await < 10);
    service_db::migrate(&settings, MIGRATIONS, &[])
        .await
        .unwrap();
    assert_eq!(count(&database, shape).await, before);
    let loose = "pg_constraint c WHERE contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i \
                 WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indpred IS NULL)";
    assert_eq!(count(&database, loose).await, 0);
}

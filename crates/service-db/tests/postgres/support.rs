use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use service_db::{Db, DbError, SHARED_MIGRATIONS};
use service_testing::TestDb;

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

pub(crate) async fn number(db: &Db, sql: &str) -> i64 {
    let mut conn = db.get().await.unwrap();
    ask(&mut conn, sql).await.unwrap()
}

pub(crate) async fn ask(conn: &mut AsyncPgConnection, sql: &str) -> Result<i64, DbError> {
    let sql = format!("SELECT ({sql})::bigint AS number");
    let row: Number = diesel::sql_query(sql).get_result(conn).await?;
    Ok(row.number)
}

/// A database with two rows to fight over.
pub(crate) async fn with_counters() -> TestDb {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    let mut owner = test.owner().await.get().await.unwrap();
    owner
        .batch_execute(
            "CREATE TABLE counters (id int PRIMARY KEY, value bigint NOT NULL CHECK (value >= 0));
             INSERT INTO counters VALUES (1, 0), (2, 0);
             GRANT SELECT, UPDATE ON counters TO PUBLIC",
        )
        .await
        .unwrap();
    test
}

/// How many connections of this database asked for an advisory lock and nothing since.
pub(crate) async fn lock_askers(conn: &mut AsyncPgConnection) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let asked: Count = diesel::sql_query(
        "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() \
         AND query = 'SELECT pg_try_advisory_lock($1) AS taken'",
    )
    .get_result(conn)
    .await
    .unwrap();
    asked.count
}

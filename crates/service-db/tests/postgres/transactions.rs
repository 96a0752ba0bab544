use std::sync::atomic::{AtomicUsize, Ordering};

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use service_db::{DbError, violated};

use crate::support::{ask, number, with_counters};

#[tokio::test(flavor = "multi_thread")]
async fn serialization_failures_are_run_again() {
    let test = with_counters().await;
    let runs = AtomicUsize::new(0);
    let add = || async {
        test.db
            .transaction(async |conn| {
                runs.fetch_add(1, Ordering::SeqCst);
                conn.batch_execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
                    .await?;
                let value = ask(conn, "SELECT value FROM counters WHERE id = 1").await?;
                let sql = format!("UPDATE counters SET value = {} WHERE id = 1", value + 1);
                diesel::sql_query(sql).execute(conn).await?;
                Ok::<_, DbError>(())
            })
            .await
    };
    for outcome in futures_util::future::join_all((0..4).map(|_| add())).await {
        outcome.unwrap();
    }
    assert_eq!(
        number(&test.db, "SELECT value FROM counters WHERE id = 1").await,
        4
    );
    assert!(AtomicUsize::load(&runs, Ordering::SeqCst) >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlocks_are_run_again() {
    let test = with_counters().await;
    let both = async |first: i32, second: i32| {
        test.db
            .transaction(async |conn| {
                for id in [first, second] {
                    let sql = format!("UPDATE counters SET value = value + 1 WHERE id = {id}");
                    diesel::sql_query(sql).execute(conn).await?;
                    conn.batch_execute("SELECT pg_sleep(0.05)").await?;
                }
                Ok::<_, DbError>(())
            })
            .await
    };
    let (one, two) = tokio::join!(both(1, 2), both(2, 1));
    one.unwrap();
    two.unwrap();
    assert_eq!(number(&test.db, "SELECT sum(value) FROM counters").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_errors_are_not_run_again_and_leave_nothing() {
    let test = with_counters().await;
    let runs = AtomicUsize::new(0);
    let outcome = test
        .db
        .transaction(async |conn| {
            runs.fetch_add(1, Ordering::SeqCst);
            conn.batch_execute("UPDATE counters SET value = 5 WHERE id = 1")
                .await?;
            conn.batch_execute("UPDATE counters SET value = -1 WHERE id = 2")
                .await?;
            Ok::<_, DbError>(())
        })
        .await;
    let Err(DbError::Query(error)) = outcome else {
        panic!("the check was not refused")
    };
    assert_eq!(violated(&error), Some("counters_value_check"));
    assert_eq!(AtomicUsize::load(&runs, Ordering::SeqCst), 1);
    assert_eq!(number(&test.db, "SELECT sum(value) FROM counters").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_transaction_leaves_no_lock_and_no_poisoned_connection() {
    let test = with_counters().await;
    for _ in 0..20 {
        let work = test.db.transaction(async |conn| {
            conn.batch_execute("UPDATE counters SET value = value + 1 WHERE id = 1")
                .await?;
            conn.batch_execute("SELECT pg_sleep(5)").await?;
            Ok::<_, DbError>(())
        });
        let cut = tokio::time::timeout(std::time::Duration::from_millis(30), work).await;
        assert!(cut.is_err());
    }
    let locked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                  AND state = 'idle in transaction'";
    service_testing::eventually(std::time::Duration::from_secs(20), async || {
        number(&test.db, locked).await == 0
    })
    .await;
    assert_eq!(
        number(&test.db, "SELECT value FROM counters WHERE id = 1").await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_f2_transactions_survive_the_end_of_every_connection() {
    let test = with_counters().await;
    let owner = test.owner().await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..5 {
        let warm = (0..6).map(|_| async { test.db.ping().await });
        futures_util::future::join_all(warm).await;
        number(&owner, end).await;
        let work = (0..6).map(|_| async {
            test.db
                .transaction(async |conn| {
                    conn.batch_execute("UPDATE counters SET value = value + 1 WHERE id = 1")
                        .await?;
                    Ok::<_, DbError>(())
                })
                .await
        });
        for outcome in futures_util::future::join_all(work).await {
            outcome.unwrap();
        }
    }
    assert_eq!(
        number(&owner, "SELECT value FROM counters WHERE id = 1").await,
        30
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q_f2_every_connection_has_its_limits() {
    let test = with_counters().await;
    let mut settings = test.settings();
    settings.statement_timeout_ms = 50;
    let db = service_db::Db::connect(&settings).await.unwrap();
    let mut conn = db.get().await.unwrap();
    let slow = conn.batch_execute("SELECT pg_sleep(2)").await.unwrap_err();
    assert!(slow.to_string().contains("statement timeout"), "{slow}");
    for (name, expected) in [
        ("lock_timeout", 10_000),
        ("idle_in_transaction_session_timeout", 15_000),
    ] {
        let sql = format!("SELECT setting FROM pg_settings WHERE name = '{name}'");
        assert_eq!(ask(&mut conn, &sql).await.unwrap(), expected);
    }
}

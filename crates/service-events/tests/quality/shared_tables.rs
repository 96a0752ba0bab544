use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use service_testing::eventually;

use crate::bench::{Bench, Mode, PATIENCE};

impl Bench {
    pub(crate) async fn mark_all_published(&self) {
        let mut conn = self.test.db.get().await.unwrap();
        conn.batch_execute("UPDATE outbox_events SET published_at = now()")
            .await
            .unwrap();
    }

    /// Ends every connection of the service's role, as a restart of the server does.
    pub(crate) async fn end_all_connections(&self) {
        let mut owner = self.test.owner().await.get().await.unwrap();
        diesel::sql_query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut owner)
        .await
        .unwrap();
    }
}

/// An event exists exactly when its transaction committed.
#[tokio::test(flavor = "multi_thread")]
async fn rolled_back_transactions_emit_nothing() {
    let bench = Bench::new().await;
    let mut conn = bench.test.db.get().await.unwrap();
    conn.batch_execute("BEGIN").await.unwrap();
    let event = crate::bench::ThingCounted {
        thing: uuid::Uuid::now_v7(),
        version: 1,
        mode: Mode::Apply,
    };
    service_events::outbox::emit(&mut conn, "counter", &event, chrono::Utc::now())
        .await
        .unwrap();
    conn.batch_execute("ROLLBACK").await.unwrap();
    drop(conn);
    assert_eq!(bench.unpublished().await, 0);
}

/// Events that are written together are published as those that are written alone.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_events_like_any_other() {
    use service_events::outbox;
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    let mut conn = bench.test.db.get().await.unwrap();
    let now = chrono::Utc::now();
    let event = || crate::bench::ThingCounted {
        thing: uuid::Uuid::now_v7(),
        version: 1,
        mode: Mode::Apply,
    };
    outbox::emit(&mut conn, "counter", &event(), now)
        .await
        .unwrap();
    for many in [0, 1, 40] {
        let rows = (0..many).map(|_| outbox::NewEvent::of("counter", &event(), now).unwrap());
        outbox::emit_all(&mut conn, rows.collect()).await.unwrap();
    }
    drop(conn);
    worker.outbox.wake();
    bench.all_applied_once(42).await;
    worker.stop().await;
}

/// Broadcasts reach every listener, each on its own.
#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_reach_every_process() {
    let bench = Bench::new().await;
    let names = ["counter.thing_counted"];
    let mut one = service_events::Broadcast::subscribe(bench.broker(), &names);
    let mut two = service_events::Broadcast::subscribe(bench.broker(), &names);
    let worker = bench.start_worker(bench.broker());
    // Listening begins some time after subscribing; broadcasts before that are not heard.
    let heard = async |stream: &mut service_events::BroadcastStream| loop {
        let id = bench.emit(Mode::Apply).await;
        worker.outbox.wake();
        let next = tokio::time::timeout(std::time::Duration::from_millis(500), stream.recv());
        if let Ok(Some(envelope)) = next.await {
            return envelope.id <= id;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, heard(&mut one))
            .await
            .unwrap()
    );
    assert!(
        tokio::time::timeout(PATIENCE, heard(&mut two))
            .await
            .unwrap()
    );
    eventually(PATIENCE, async || bench.unpublished().await == 0).await;
    worker.stop().await;
}

/// Old events go, however many; young, unsent and unreplayed ones stay.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_deletes_all_that_is_old_and_nothing_else() {
    let bench = Bench::new().await;
    let mut conn = bench.test.db.get().await.unwrap();
    conn.batch_execute(
        "INSERT INTO outbox_events (id, name, version, source, aggregate_id, aggregate_version, payload, \
         occurred_at, published_at) SELECT gen_random_uuid(), 'x', 1, 'x', gen_random_uuid(), 1, '{}', \
         now() - interval '9 days', CASE WHEN n <= 12000 THEN now() - interval '8 days' \
         WHEN n <= 12010 THEN now() - interval '6 days' END FROM generate_series(1, 12020) AS n;
         INSERT INTO inbox_events (consumer, event_id, received_at) SELECT 'c', gen_random_uuid(), \
         now() - make_interval(days => n) FROM generate_series(1, 60) AS n;",
    )
    .await
    .unwrap();
    drop(conn);
    assert_eq!(
        service_events::sweep(&bench.test.db).await.unwrap(),
        12_000 + 31
    );
    assert_eq!(bench.number("SELECT count(*) FROM outbox_events").await, 20);
    assert_eq!(bench.number("SELECT count(*) FROM inbox_events").await, 29);
    assert_eq!(service_events::sweep(&bench.test.db).await.unwrap(), 0);
}

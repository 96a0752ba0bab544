use std::time::Duration;

use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use service_events::{Outbox, Published, Relay, RetryPolicy, Topology, outbox};
use service_testing::eventually;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bench::{Bench, Mode, NobodyListens, PATIENCE, ThingCounted};

/// A confirm is no proof of delivery: what no queue takes stays in the outbox until one does.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_rows_stay_unsent_while_no_queue_is_bound() {
    let bench = Bench::new().await;
    for _ in 0..5 {
        bench.emit(Mode::Apply).await;
    }
    let relay = Relay::new(bench.test.db.clone(), bench.broker());
    let connection = bench.broker().connect("test").await.unwrap();
    let channel = relay.channel(&connection).await.unwrap();
    let batch = relay.publish_batch(&channel).await.unwrap();
    assert_eq!(
        batch,
        Published {
            sent: 0,
            returned: 5,
            refused: 0
        }
    );
    assert_eq!(bench.unpublished().await, 5);
    assert_eq!(
        bench
            .number("SELECT sum(attempts) FROM outbox_events")
            .await,
        5
    );
    // They wait before they are tried again, and so do not keep others waiting.
    assert_eq!(
        relay.publish_batch(&channel).await.unwrap(),
        Published::default()
    );

    let worker = bench.start_worker(bench.broker());
    bench.all_applied_once(5).await;
    worker.stop().await;
}

/// In a batch of both kinds exactly the returned rows stay: acknowledgements of many messages at
/// once must not hide which of them came back.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_returned_rows_are_told_from_stored_ones() {
    let bench = Bench::new().await;
    bench.consumers(bench.broker()).declare().await.unwrap();
    let mut unheard = Vec::new();
    for number in 0..200 {
        if number % 7 == 0 {
            unheard.push(
                bench
                    .emit_event(&NobodyListens {
                        thing: Uuid::now_v7(),
                    })
                    .await,
            );
        } else {
            bench.emit(Mode::Apply).await;
        }
    }
    let relay = Relay::new(bench.test.db.clone(), bench.broker());
    let connection = bench.broker().connect("test").await.unwrap();
    let channel = relay.channel(&connection).await.unwrap();
    let batch = relay.publish_batch(&channel).await.unwrap();
    assert_eq!(
        batch,
        Published {
            sent: 200 - unheard.len(),
            returned: unheard.len(),
            refused: 0
        }
    );
    let wrong = "SELECT count(*) FROM outbox_events \
                 WHERE (published_at IS NULL) <> (name = 'counter.nobody_listens')";
    assert_eq!(bench.number(wrong).await, 0);
}

/// Events declared as heard by nobody do not wait for a queue.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_unheard_events_are_published_without_a_queue() {
    let bench = Bench::new().await;
    bench
        .emit_event(&NobodyListens {
            thing: Uuid::now_v7(),
        })
        .await;
    let relay =
        Relay::new(bench.test.db.clone(), bench.broker()).unheard(&["counter.nobody_listens"]);
    let connection = bench.broker().connect("test").await.unwrap();
    let channel = relay.channel(&connection).await.unwrap();
    assert_eq!(relay.publish_batch(&channel).await.unwrap().sent, 1);
}

/// The relay declares the queues of whoever consumes what it publishes: a consumer that starts for the first time after
/// the events has them all, also where they were said to be heard by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_a_subscriber_that_never_ran_misses_nothing() {
    let bench = Bench::new().await;
    for _ in 0..5 {
        bench.emit(Mode::Apply).await;
    }
    let wanted = bench.consumers(bench.broker()).topologies();
    let relay = Relay::new(bench.test.db.clone(), bench.broker())
        .unheard(&["counter.thing_counted"])
        .subscribers(wanted);
    let connection = bench.broker().connect("test").await.unwrap();
    let channel = relay.channel(&connection).await.unwrap();
    assert_eq!(relay.publish_batch(&channel).await.unwrap().sent, 5);
    assert_eq!(bench.effects().await, 0, "nobody consumes yet");
    let worker = bench.start_worker(bench.broker());
    bench.all_applied_once(5).await;
    worker.stop().await;
}

/// What a worker consumes itself stands before its relay publishes: nothing waits for a second try because the consumers
/// were slower than the relay.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_a_worker_publishes_nothing_before_its_own_queues_stand() {
    let bench = Bench::new().await;
    for _ in 0..5 {
        bench.emit(Mode::Apply).await;
    }
    let worker = bench.start_worker(bench.broker());
    bench.all_applied_once(5).await;
    let put_off = "SELECT count(*) FROM outbox_events WHERE last_error = 'unroutable'";
    assert_eq!(bench.number(put_off).await, 0);
    worker.stop().await;
}

/// A subscriber of another release has its queue with other arguments: it is there, and the relay goes on.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_a_subscribers_queue_of_other_arguments_is_taken_as_it_is() {
    let bench = Bench::new().await;
    bench.consumers(bench.broker()).declare().await.unwrap();
    bench.emit(Mode::Apply).await;
    let other = RetryPolicy {
        delivery_limit: 17,
        ..RetryPolicy::default()
    };
    let queue = Topology::new(&bench.broker(), "counter", "things", other)
        .bound_to(&["counter.thing_counted"]);
    let relay = Relay::new(bench.test.db.clone(), bench.broker()).subscribers(vec![queue]);
    let connection = bench.broker().connect("test").await.unwrap();
    let channel = relay.channel(&connection).await.unwrap();
    assert_eq!(relay.publish_batch(&channel).await.unwrap().sent, 1);
}

/// Ids that commit out of order: a late transaction's events are found like any other.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_late_commit_is_not_skipped() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    let mut late = bench.test.db.get().await.unwrap();
    late.batch_execute("BEGIN").await.unwrap();
    let event = ThingCounted {
        thing: Uuid::now_v7(),
        version: 1,
        mode: Mode::Apply,
    };
    let early_id = outbox::emit(&mut late, "counter", &event, chrono::Utc::now())
        .await
        .unwrap();
    let mut newest = early_id;
    for _ in 0..50 {
        newest = bench.emit(Mode::Apply).await;
    }
    assert!(newest > early_id);
    bench.all_applied_once(50).await;
    late.batch_execute("COMMIT").await.unwrap();
    bench.all_applied_once(51).await;
    drop(late);
    worker.stop().await;
}

/// Two relays share the work: each row is published by one of them.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_two_relays_publish_each_row_once() {
    let bench = Bench::new().await;
    bench.consumers(bench.broker()).declare().await.unwrap();
    let mut conn = bench.test.db.get().await.unwrap();
    conn.transaction(async |conn| {
        for _ in 0..1_000 {
            let event = ThingCounted {
                thing: Uuid::now_v7(),
                version: 1,
                mode: Mode::Apply,
            };
            outbox::emit(conn, "counter", &event, chrono::Utc::now()).await?;
        }
        diesel::QueryResult::Ok(())
    })
    .await
    .unwrap();
    drop(conn);
    let publish = async || {
        let relay = Relay::new(bench.test.db.clone(), bench.broker());
        let connection = bench.broker().connect("test").await.unwrap();
        let channel = relay.channel(&connection).await.unwrap();
        let mut sent = 0;
        loop {
            let batch = relay.publish_batch(&channel).await.unwrap();
            if batch == Published::default() {
                return sent;
            }
            sent += batch.sent;
        }
    };
    let (one, two) = tokio::join!(publish(), publish());
    assert_eq!(one + two, 1_000);
    assert_eq!(bench.unpublished().await, 0);
    let worker = bench.start_worker(bench.broker());
    bench.all_applied_once(1_000).await;
    worker.stop().await;
}

/// A relay that dies at any moment, also between publish and mark, leaves no event behind, and
/// what it published twice has one effect.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_killed_relays_lose_nothing() {
    let bench = Bench::new().await;
    bench.consumers(bench.broker()).declare().await.unwrap();
    for _ in 0..300 {
        bench.emit(Mode::Apply).await;
    }
    let mut kills = 0;
    while bench.unpublished().await > 0 && kills < 60 {
        let relay = Relay::new(bench.test.db.clone(), bench.broker());
        let outbox = Outbox::new(bench.test.db.clone());
        let task = tokio::spawn(relay.run(outbox, CancellationToken::new()));
        // From before the first publish to around the first mark.
        let life = Duration::from_millis(20 + kills * 2);
        assert!(
            tokio::time::timeout(life, std::future::pending::<()>())
                .await
                .is_err()
        );
        task.abort();
        let _ = task.await;
        kills += 1;
    }
    let worker = bench.start_worker(bench.broker());
    bench.all_applied_once(300).await;
    eventually(PATIENCE, async || bench.unpublished().await == 0).await;
    worker.stop().await;
}

/// A commit in one process wakes the relay of another well before it polls.
#[tokio::test(flavor = "multi_thread")]
async fn q_e2_other_processes_relays_are_woken() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    bench.emit(Mode::Apply).await;
    bench.all_applied_once(1).await;
    // A handle of its own is what `serve` has: it shares nothing with the worker but the database.
    let serve = Outbox::new(bench.test.db.clone());
    let mut waits = Vec::new();
    for number in 2..12 {
        bench.emit(Mode::Apply).await;
        serve.wake();
        let committed = std::time::Instant::now();
        eventually(PATIENCE, async || bench.effects().await == number).await;
        waits.push(committed.elapsed());
    }
    waits.sort();
    assert!(
        waits[4] < Duration::from_millis(500),
        "the relay only polled: {waits:?}"
    );
    worker.stop().await;
}

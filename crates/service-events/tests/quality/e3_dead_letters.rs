use std::{sync::atomic::Ordering, time::Duration};

use futures_util::StreamExt;
use lapin::{
    options::{BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use service_events::{
    DeadLetterAction, DeadLetterCommand, EventsError,
    dead_letters::{self, Filter},
};
use service_testing::{LinkProxy, amqp_url, eventually};
use uuid::Uuid;

use crate::bench::{Bench, Mode, PATIENCE, QUEUE, deliver, raw_channel};

/// A message that can never be applied keeps nobody else waiting, and is replayed once its reason
/// is gone.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_poison_is_kept_shown_and_replayed() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    bench.emit(Mode::Apply).await;
    let poison = bench.emit(Mode::Poison).await;
    bench.emit(Mode::Apply).await;
    worker.outbox.wake();
    bench.all_applied_once(2).await;
    eventually(PATIENCE, async || bench.dead().await == 1).await;

    let db = &bench.test.db;
    let letters = dead_letters::list(db, &Filter::default()).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!(
        (letter.event_id, letter.reason.as_str()),
        (Some(poison), "poison")
    );
    assert_eq!(
        (letter.queue.as_str(), letter.error.as_deref()),
        (QUEUE, Some("never works"))
    );
    let shown = dead_letters::show(db, letter.id).await.unwrap();
    assert_eq!(shown.body["id"], poison.to_string());
    let unknown = dead_letters::show(db, Uuid::nil()).await;
    assert!(matches!(unknown, Err(EventsError::UnknownDeadLetter(_))));

    bench.count.fixed.store(true, Ordering::SeqCst);
    let mut out = Vec::new();
    let replay = DeadLetterAction::Replay {
        id: Some(letter.id),
        all: false,
        queue: None,
    };
    DeadLetterCommand { action: replay }
        .run(db, &bench.broker(), chrono::Utc::now(), &mut out)
        .await
        .unwrap();
    bench.all_applied_once(3).await;
    assert_eq!(bench.dead().await, 0);
    // Replaying what was applied changes nothing.
    dead_letters::replay(db, &bench.broker(), letter.id, chrono::Utc::now())
        .await
        .unwrap();
    let last = bench.emit(Mode::Apply).await;
    worker.outbox.wake();
    let arrived = format!("SELECT count(*) FROM effects WHERE event_id = '{last}'");
    eventually(PATIENCE, async || bench.number(&arrived).await == 1).await;
    bench.all_applied_once(4).await;
    worker.stop().await;
}

/// A body that is no event at all is kept as it came.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_garbage_is_kept() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    bench.emit(Mode::Apply).await;
    bench.all_applied_once(1).await;
    let (_connection, channel) = raw_channel(&amqp_url()).await;
    let queue = bench.broker().name(QUEUE);
    deliver(&channel, &queue, b"\x00 not json").await;
    deliver(&channel, &queue, b"{}").await;
    eventually(PATIENCE, async || bench.dead().await == 2).await;
    bench.emit(Mode::Apply).await;
    bench.all_applied_once(2).await;
    worker.stop().await;
}

/// What fails is tried again with growing pauses, then kept; panics count as failures.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_failures_are_retried_then_kept() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    let failing = bench.emit(Mode::Fail).await;
    let panicking = bench.emit(Mode::Panic).await;
    worker.outbox.wake();
    eventually(PATIENCE, async || bench.dead().await == 2).await;
    let letters = dead_letters::list(&bench.test.db, &Filter::default())
        .await
        .unwrap();
    let error_of = |id: Uuid| {
        let letter = letters
            .iter()
            .find(|letter| letter.event_id == Some(id))
            .unwrap();
        assert_eq!(letter.reason, "retries");
        letter.error.clone().unwrap()
    };
    assert_eq!(error_of(failing), "not now");
    assert_eq!(error_of(panicking), "panic: handler fell over");
    let attempts = "SELECT min((headers->>'attempts')::int) FROM dead_letters";
    assert_eq!(bench.number(attempts).await, 3);
    worker.stop().await;
}

/// What fails for a while is applied by a later attempt.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_a_later_attempt_succeeds() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    let fixed = bench.count.fixed.clone();
    bench.emit(Mode::Fail).await;
    worker.outbox.wake();
    tokio::time::timeout(Duration::from_millis(120), std::future::pending::<()>())
        .await
        .unwrap_err();
    fixed.store(true, Ordering::SeqCst);
    eventually(PATIENCE, async || {
        bench.effects().await + bench.dead().await == 1
    })
    .await;
    if bench.dead().await == 1 {
        // The machine was slower than both pauses; the replay is the later attempt then.
        let letter = dead_letters::list(&bench.test.db, &Filter::default())
            .await
            .unwrap()[0]
            .id;
        dead_letters::replay(&bench.test.db, &bench.broker(), letter, chrono::Utc::now())
            .await
            .unwrap();
    }
    bench.all_applied_once(1).await;
    worker.stop().await;
}

/// A consumer that dies again and again with ten messages in hand: the broker gives all ten up,
/// guilty or not, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_crash_loop_loses_nothing() {
    let bench = Bench::new().await;
    bench.consumers(bench.broker()).declare().await.unwrap();
    let (link, url) = LinkProxy::to_broker().await;
    let (_publisher, channel) = raw_channel(&amqp_url()).await;
    let queue = bench.broker().name(QUEUE);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let id = bench.emit(Mode::Apply).await;
        ids.push(id);
        let envelope = service_testing::published_events(&bench.test.db)
            .await
            .pop()
            .unwrap();
        deliver(&channel, &queue, &serde_json::to_vec(&envelope).unwrap()).await;
    }
    // Only the broker's copies shall count here.
    bench.mark_all_published().await;

    for _ in 0..6 {
        let (connection, channel) = raw_channel(&url).await;
        channel
            .basic_qos(10, BasicQosOptions::default())
            .await
            .unwrap();
        let mut deliveries = channel
            .basic_consume(
                queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        // Takes what there is, then dies without an answer.
        let taken = tokio::time::timeout(Duration::from_millis(500), async {
            for _ in 0..10 {
                deliveries.next().await.unwrap().unwrap();
            }
        });
        let _ = taken.await;
        link.cut();
        drop((deliveries, channel, connection));
    }

    let worker = bench.start_worker(bench.broker());
    eventually(PATIENCE, async || {
        bench.dead().await + bench.effects().await == 10
    })
    .await;
    let given_up = bench.dead().await;
    assert!(given_up > 0, "the delivery limit was never reached");
    let by_broker = "SELECT count(*) FROM dead_letters WHERE reason = 'delivery_limit'";
    assert_eq!(bench.number(by_broker).await, given_up);

    let mut out = Vec::new();
    let action = DeadLetterAction::Replay {
        id: None,
        all: true,
        queue: None,
    };
    DeadLetterCommand { action }
        .run(
            &bench.test.db,
            &bench.broker(),
            chrono::Utc::now(),
            &mut out,
        )
        .await
        .unwrap();
    bench.all_applied_once(10).await;
    assert_eq!(bench.dead().await, 0);
    worker.stop().await;
}

/// While the database is away events wait: an outage is nobody's failed attempt.
#[tokio::test(flavor = "multi_thread")]
async fn q_e3_database_outage_burns_no_attempts() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    bench.emit(Mode::Apply).await;
    bench.all_applied_once(1).await;
    for _ in 0..10 {
        for _ in 0..5 {
            bench.emit(Mode::Apply).await;
        }
        worker.outbox.wake();
        bench.end_all_connections().await;
    }
    bench.all_applied_once(51).await;
    assert_eq!(bench.dead().await, 0);
    worker.stop().await;
}

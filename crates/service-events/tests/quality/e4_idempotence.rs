use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use service_events::Broker;
use service_testing::{LinkProxy, amqp_url, eventually, published_events};
use uuid::Uuid;

use crate::bench::{Bench, Count, Mode, PATIENCE, QUEUE, ThingCounted, deliver, raw_channel};

/// The whole log fed again, twice, reversed and shuffled, changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn q_e4_feeding_the_log_again_changes_nothing() {
    let bench = Bench::new().await;
    let worker = bench.start_worker(bench.broker());
    for _ in 0..40 {
        bench.emit(Mode::Apply).await;
    }
    worker.outbox.wake();
    bench.all_applied_once(40).await;
    let log = published_events(&bench.test.db).await;
    let (_connection, channel) = raw_channel(&amqp_url()).await;
    let queue = bench.broker().name(QUEUE);
    let forward = log.iter();
    let reversed = log.iter().rev();
    let shuffled = (0..log.len()).map(|at| &log[(at * 17 + 5) % log.len()]);
    for envelope in forward
        .clone()
        .chain(forward)
        .chain(reversed)
        .chain(shuffled)
    {
        deliver(&channel, &queue, &serde_json::to_vec(envelope).unwrap()).await;
    }
    // The queue is in order: when this one has arrived, all before it have.
    bench.emit(Mode::Apply).await;
    worker.outbox.wake();
    bench.all_applied_once(41).await;
    assert_eq!(bench.number("SELECT count(*) FROM inbox_events").await, 41);
    worker.stop().await;
    assert_eq!(bench.dead().await, 0);
}

/// Versions that arrive in any order leave the newest, and older ones are not applied after it.
#[tokio::test(flavor = "multi_thread")]
async fn q_e4_older_versions_never_win() {
    let bench = Bench::new().await;
    let thing = Uuid::now_v7();
    for version in [3, 1, 5, 2, 4] {
        bench
            .emit_event(&ThingCounted {
                thing,
                version,
                mode: Mode::Newest,
            })
            .await;
    }
    let worker = bench.start_worker(bench.broker());
    eventually(PATIENCE, async || {
        bench.number("SELECT count(*) FROM inbox_events").await == 5
    })
    .await;
    worker.stop().await;
    assert_eq!(bench.number("SELECT count(*) FROM effects").await, 2);
    assert_eq!(bench.number("SELECT max(version) FROM effects").await, 5);
    assert_eq!(
        bench.number("SELECT version FROM aggregate_versions").await,
        5
    );
}

/// The link breaks after the commit and before the ack, again and again: the broker hands the
/// event out again, and it has its effect once.
#[tokio::test(flavor = "multi_thread")]
async fn q_e4_cut_between_commit_and_ack_doubles_nothing() {
    let mut bench = Bench::new().await;
    let (link, url) = LinkProxy::to_broker().await;
    let link = Arc::new(link);
    let cuts = Arc::new(AtomicUsize::new(0));
    let (cut_link, counted) = (link.clone(), cuts.clone());
    bench.count = Count {
        before_commit: Some(Arc::new(move || {
            // The ack that follows this commit finds no link.
            if counted.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) {
                cut_link.cut();
            }
        })),
        ..Count::default()
    };
    let worker = bench.start_worker(Broker::new(&bench.prefix.amqp_at(&url)).unwrap());
    for _ in 0..30 {
        bench.emit(Mode::Apply).await;
    }
    worker.outbox.wake();
    bench.all_applied_once(30).await;
    eventually(PATIENCE, async || bench.unpublished().await == 0).await;
    assert!(cuts.load(Ordering::SeqCst) >= 30);
    worker.stop().await;
    let lost = "SELECT count(*) FROM outbox_events o LEFT JOIN inbox_events i \
                ON i.event_id = o.id WHERE i.event_id IS NULL";
    assert_eq!((bench.number(lost).await, bench.effects().await), (0, 30));
}

use std::time::Duration;

use service_events::Broker;
use service_testing::{LinkProxy, eventually};

use crate::bench::{Bench, Mode, PATIENCE};

/// Commits go on while the broker is away, and everything arrives once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn q_e1_backlog_drains_after_the_broker_comes_back() {
    let bench = Bench::new().await;
    let (link, url) = LinkProxy::to_broker().await;
    let worker = bench.start_worker(Broker::new(&bench.prefix.amqp_at(&url)).unwrap());
    for _ in 0..20 {
        bench.emit(Mode::Apply).await;
    }
    worker.outbox.wake();
    bench.all_applied_once(20).await;

    link.close();
    for _ in 0..200 {
        bench.emit(Mode::Apply).await;
        worker.outbox.wake();
    }
    assert_eq!(bench.unpublished().await, 200);

    link.mend();
    bench.all_applied_once(220).await;
    eventually(PATIENCE, async || bench.unpublished().await == 0).await;
    worker.stop().await;
    assert_eq!(bench.dead().await, 0);
}

/// Links that break again and again in the middle of the traffic lose and double nothing.
#[tokio::test(flavor = "multi_thread")]
async fn q_e1_link_cut_under_load_loses_nothing() {
    let bench = Bench::new().await;
    let (link, url) = LinkProxy::to_broker().await;
    let worker = bench.start_worker(Broker::new(&bench.prefix.amqp_at(&url)).unwrap());
    eventually(PATIENCE, async || link.accepted() >= 2).await;
    for number in 0..300 {
        bench.emit(Mode::Apply).await;
        worker.outbox.wake();
        if number % 60 == 30 {
            link.cut();
        }
    }
    bench.all_applied_once(300).await;
    eventually(PATIENCE, async || bench.unpublished().await == 0).await;
    assert!(link.accepted() > 2, "nothing was cut");
    worker.stop().await;
    assert_eq!((bench.effects().await, bench.dead().await), (300, 0));
}

/// A worker that starts while the broker is away works as soon as it is there.
#[tokio::test(flavor = "multi_thread")]
async fn q_e1_worker_starts_without_a_broker() {
    let bench = Bench::new().await;
    let (link, url) = LinkProxy::to_broker().await;
    link.close();
    let worker = bench.start_worker(Broker::new(&bench.prefix.amqp_at(&url)).unwrap());
    bench.emit(Mode::Apply).await;
    tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>())
        .await
        .unwrap_err();
    assert_eq!(bench.effects().await, 0);
    link.mend();
    bench.all_applied_once(1).await;
    worker.stop().await;
}

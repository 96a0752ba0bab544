use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common_types::clock::SystemClock;
use service_db::{AdvisoryLock, Db, SHARED_MIGRATIONS, advisory_job};
use service_testing::{TestDb, eventually};

use crate::support;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_in_one_process_at_a_time() {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    let (running, most, runs) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let start = || {
        let (running, most, runs) = (running.clone(), most.clone(), runs.clone());
        let clock = Arc::new(SystemClock);
        tokio::spawn(advisory_job(
            test.db.clone(),
            "count",
            Duration::from_millis(5),
            clock,
            move |_| {
                let (running, most, runs) = (running.clone(), most.clone(), runs.clone());
                async move {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    if runs.fetch_add(1, Ordering::SeqCst) % 3 == 0 {
                        anyhow::bail!("some turns fail");
                    }
                    Ok(())
                }
            },
        ))
    };
    let processes: Vec<_> = (0..3).map(|_| start()).collect();
    eventually(Duration::from_secs(30), async || {
        runs.load(Ordering::SeqCst) >= 20
    })
    .await;
    processes.into_iter().for_each(|process| process.abort());
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daily_job_that_fails_does_not_wait_for_tomorrow() {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let daily = tokio::spawn(advisory_job(
        test.db.clone(),
        "daily",
        Duration::from_secs(86_400),
        Arc::new(SystemClock),
        move |_| {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                anyhow::ensure!(turn >= 2, "two turns fail");
                Ok(())
            }
        },
    ));
    eventually(Duration::from_secs(60), async || {
        runs.load(Ordering::SeqCst) == 3
    })
    .await;
    daily.abort();
}

/// Of a process that was killed, the server may keep connection and lock for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_daily_job_whose_lock_is_taken_does_not_wait_for_tomorrow() {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    // A pool of its own: the job's connections alone say below what the job asked for.
    let others = Db::connect(&test.settings()).await.unwrap();
    let held = AdvisoryLock::try_take(&others, "job:daily")
        .await
        .unwrap()
        .unwrap();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let daily = tokio::spawn(advisory_job(
        test.db.clone(),
        "daily",
        Duration::from_secs(86_400),
        Arc::new(SystemClock),
        move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        },
    ));
    eventually(Duration::from_secs(60), async || {
        let mut conn = others.get().await.unwrap();
        let asked = support::lock_askers(&mut conn).await;
        // The holder's and the job's.
        asked >= 2
    })
    .await;
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    held.release().await.unwrap();
    eventually(Duration::from_secs(60), async || {
        runs.load(Ordering::SeqCst) == 1
    })
    .await;
    daily.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_with_its_holder() {
    let test = TestDb::create("no-service", SHARED_MIGRATIONS).await;
    let held = AdvisoryLock::try_take(&test.db, "x")
        .await
        .unwrap()
        .unwrap();
    assert!(
        AdvisoryLock::try_take(&test.db, "x")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        AdvisoryLock::try_take(&test.db, "y")
            .await
            .unwrap()
            .is_some()
    );
    held.release().await.unwrap();
    let forgotten = AdvisoryLock::try_take(&test.db, "x")
        .await
        .unwrap()
        .unwrap();
    drop(forgotten);
    eventually(Duration::from_secs(20), async || {
        AdvisoryLock::try_take(&test.db, "x")
            .await
            .unwrap()
            .is_some()
    })
    .await;
}

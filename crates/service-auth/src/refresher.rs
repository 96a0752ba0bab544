//! The work behind a verifier: keys fetched again each minute, revocations polled every two seconds.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::revocation::RevocationSource;
use crate::verifier::Inner;

/// Between two unprovoked fetches of the keys.
const KEYS_EVERY: Duration = Duration::from_secs(60);
/// Between two fetches while an issuer's keys have never been fetched: everything starts at once, and
/// whoever starts before the issuer must not wait a minute for it.
const FIRST_KEYS_EVERY: Duration = Duration::from_secs(1);
/// An owner hands out so many pages in a row before the others get their turn.
const PAGES_AT_ONCE: usize = 100;

/// Background work that ends when this is dropped.
#[derive(Debug)]
#[must_use = "the work stops when this is dropped"]
pub struct BackgroundTask {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl BackgroundTask {
    pub(crate) fn spawn(inner: &Arc<Inner>, sources: Vec<RevocationSource>) -> Self {
        let mut tasks = vec![tokio::spawn(keep_keys(Arc::downgrade(inner)))];
        let every = Duration::from_millis(inner.settings.revocation_poll_ms.max(50));
        for source in sources {
            inner.revocations.expect(&source.name);
            tasks.push(tokio::spawn(poll(Arc::downgrade(inner), source, every)));
        }
        Self { tasks }
    }
}

async fn keep_keys(inner: Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        inner.people.refresh().await;
        inner.patients.refresh().await;
        inner.revocations.forget_expired();
        let waiting = inner.people.is_waiting() || inner.patients.is_waiting();
        drop(inner);
        tokio::time::sleep(if waiting {
            FIRST_KEYS_EVERY
        } else {
            KEYS_EVERY
        })
        .await;
    }
}

async fn poll(inner: Weak<Inner>, source: RevocationSource, every: Duration) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tick.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let revocations = &inner.revocations;
        for _ in 0..PAGES_AT_ONCE {
            let before = revocations.cursor(&source.name);
            match (source.fetch)(before).await {
                Ok(page) => {
                    if failing {
                        tracing::info!(source = %source.name, "revocations are known again");
                        failing = false;
                    }
                    revocations.absorb(&source.name, &page);
                    // An owner may repeat its last few for latecomers: a page that leads no further is the last.
                    if page.revocations.is_empty() || revocations.cursor(&source.name) == before {
                        break;
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(source = %source.name, %error, "cannot ask for revocations");
                        failing = true;
                    }
                    break;
                }
            }
        }
    }
}

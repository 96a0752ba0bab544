//! The worker's loop: leases what is due, posts it, several at a time. Several workers may run.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    client::Signed,
    endpoint_store, model, result,
    store::{self, Job},
};
use crate::AppState;

/// Works until cancelled; then waits for what is being posted.
pub(crate) async fn run(state: AppState, cancel: CancellationToken) {
    let settings = &state.settings.outgoing;
    let pause = Duration::from_millis(settings.poll_ms);
    let most = settings.concurrency;
    let mut posting = JoinSet::new();
    while !cancel.is_cancelled() {
        while posting.try_join_next().is_some() {}
        let free = most.saturating_sub(posting.len());
        let leased = if free == 0 {
            Ok(Vec::new())
        } else {
            lease(&state, free).await
        };
        match leased {
            Ok(jobs) => {
                let found = jobs.len();
                for job in jobs {
                    posting.spawn(deliver_or_warn(state.clone(), job));
                }
                if found > 0 && found == free {
                    // More may be due: as soon as one slot is free.
                    posting.join_next().await;
                    continue;
                }
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "outgoing webhooks could not be worked on"
            ),
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            // The next one of an ordered stream, or of an endpoint at its limit, may go now.
            Some(_) = posting.join_next(), if !posting.is_empty() => {}
        }
    }
    while posting.join_next().await.is_some() {}
}

async fn lease(state: &AppState, free: usize) -> anyhow::Result<Vec<Job>> {
    let (now, batch) = (state.now(), i64::try_from(free)?);
    let per_endpoint = state.settings.outgoing.per_endpoint;
    let jobs = state
        .stack
        .db
        .transaction(async |conn| {
            Ok::<_, service_db::DbError>(store::lease_due(conn, now, batch, per_endpoint).await?)
        })
        .await?;
    Ok(jobs)
}

async fn deliver_or_warn(state: AppState, job: Job) {
    let id = job.id;
    if let Err(error) = deliver(&state, job).await {
        // The lease ends by itself and the delivery is tried again.
        tracing::warn!(delivery = %id, error = format!("{error:#}"), "a webhook could not be worked on");
    }
}

async fn deliver(state: &AppState, job: Job) -> anyhow::Result<()> {
    let now = state.now();
    let mut conn = state.stack.db.get().await?;
    let sealed = endpoint_store::list_live_secrets(&mut conn, job.endpoint_id, now).await?;
    drop(conn);
    let mut keys = Vec::with_capacity(sealed.len());
    for (id, sealed) in sealed {
        let secret = state.open("outgoing_secrets", id, "secret_sealed", &sealed)?;
        keys.extend(model::key_of(&secret));
    }
    anyhow::ensure!(!keys.is_empty(), "the endpoint has no usable secret");
    let id = model::message_id(job.message_id);
    let timestamp = now.timestamp();
    let body = model::body(
        &job.event_type,
        job.occurred_at,
        &job.ordering_key,
        job.sequence,
        &job.data,
    )?;
    let signed = Signed {
        url: job.url.clone(),
        signatures: model::signatures(&keys, &id, timestamp, &body),
        id,
        timestamp,
        body,
        timeout: Duration::from_secs(u64::try_from(job.timeout_seconds)?),
    };
    let posted = state.poster.post(signed, now).await;
    metrics::counter!(
        "integrations_outgoing_attempts_total",
        "outcome" => posted.attempt.error.unwrap_or("delivered")
    )
    .increment(1);
    result::apply(state, &job, posted, rand::random::<f64>()).await?;
    Ok(())
}

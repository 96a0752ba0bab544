//! Carries frames between the processes of the service over Redis, so that a room's members hear
//! each other wherever their sockets are. What is lost while Redis is away is only the telling:
//! messages are stored, and clients ask for what they missed.

use std::time::Duration;

use deadpool_redis::redis::{Client, cmd};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::hub::Outgoing;
use crate::AppState;

const QUEUE: usize = 4_096;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Carried {
    from: Uuid,
    what: Outgoing,
}

/// Starts the bridge, once per process.
pub(crate) fn start(state: &AppState) {
    let (sender, outgoing) = mpsc::channel(QUEUE);
    if !state.hub.connect_bridge(sender) {
        return;
    }
    let own = Uuid::now_v7();
    tokio::spawn(publish(state.clone(), own, outgoing));
    tokio::spawn(listen(state.clone(), own));
}

fn channel(state: &AppState) -> String {
    format!("{}chat:frames", state.stack.redis_prefix)
}

async fn publish(state: AppState, own: Uuid, mut outgoing: mpsc::Receiver<Outgoing>) {
    let channel = channel(&state);
    while let Some(what) = outgoing.recv().await {
        let carried = Carried { from: own, what };
        if let Err(error) = send(&state, &channel, &carried).await {
            tracing::warn!(%error, "other processes could not be told of a message");
        }
    }
}

async fn send(state: &AppState, channel: &str, carried: &Carried) -> anyhow::Result<()> {
    let text = serde_json::to_string(carried)?;
    let mut connection = state.stack.redis.get().await?;
    cmd("PUBLISH")
        .arg(channel)
        .arg(text)
        .query_async::<()>(&mut connection)
        .await?;
    Ok(())
}

async fn listen(state: AppState, own: Uuid) {
    loop {
        if let Err(error) = listen_once(&state, own).await {
            tracing::warn!(%error, "messages of other processes are not heard; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(state: &AppState, own: Uuid) -> anyhow::Result<()> {
    let client = Client::open(state.redis_url.expose())?;
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(channel(state)).await?;
    let mut messages = subscription.on_message();
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        match serde_json::from_str::<Carried>(&text) {
            Ok(carried) if carried.from != own => state.hub.hear(carried.what),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a frame of another process could not be read"),
        }
    }
    anyhow::bail!("the subscription ended")
}

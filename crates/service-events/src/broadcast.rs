use std::{
    pin::Pin,
    task::{Context, Poll},
};

use common_types::events::Envelope;
use futures_util::{Stream, StreamExt};
use lapin::{
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, EventsError,
    broker::{Backoff, answer},
    topology::declare_exchange,
};

/// Events that every process hears, each in a queue of its own that dies with it. What is missed
/// while the process or the broker is away is not sent again: whoever listens also polls.
#[derive(Debug, Clone, Copy)]
pub struct Broadcast;

/// What a process hears; ends never, reconnects by itself. Dropping it stops the listening.
#[derive(Debug)]
pub struct BroadcastStream {
    received: mpsc::Receiver<Envelope>,
    _stop: tokio_util::sync::DropGuard,
}

impl Broadcast {
    /// Listens to the named events.
    pub fn subscribe(broker: Broker, names: &[&str]) -> BroadcastStream {
        let (sender, received) = mpsc::channel(1024);
        let cancel = CancellationToken::new();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let stop = cancel.clone().drop_guard();
        tokio::spawn(async move {
            let mut backoff = Backoff::default();
            while !cancel.is_cancelled() {
                tokio::select! {
                    () = cancel.cancelled() => return,
                    ended = listen(&broker, &names, &sender, &mut backoff) => match ended {
                        Ok(()) => return,
                        Err(error) => tracing::debug!(%error, "broadcasts start again"),
                    },
                }
                tokio::select! { () = cancel.cancelled() => {}, () = backoff.pause() => {} }
            }
        });
        BroadcastStream {
            received,
            _stop: stop,
        }
    }
}

impl BroadcastStream {
    /// The next event.
    pub async fn recv(&mut self) -> Option<Envelope> {
        self.received.recv().await
    }
}

impl Stream for BroadcastStream {
    type Item = Envelope;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Envelope>> {
        self.received.poll_recv(cx)
    }
}

/// One connection's life. `Ok` when nobody listens any more.
async fn listen(
    broker: &Broker,
    names: &[String],
    sender: &mpsc::Sender<Envelope>,
    backoff: &mut Backoff,
) -> Result<(), EventsError> {
    let connection = broker.connect("broadcast").await?;
    let channel = answer(connection.create_channel()).await??;
    declare_exchange(broker, &channel).await?;
    let name = broker.name(&format!("broadcast.{}", uuid::Uuid::now_v7().simple()));
    let options = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    answer(channel.queue_declare(name.as_str().into(), options, FieldTable::default())).await??;
    for event in names {
        let bound = channel.queue_bind(
            name.as_str().into(),
            broker.exchange().into(),
            event.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        answer(bound).await??;
    }
    let options = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let consuming = channel.basic_consume(
        name.as_str().into(),
        "".into(),
        options,
        FieldTable::default(),
    );
    let mut deliveries = answer(consuming).await??;
    backoff.reset();
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        match serde_json::from_slice::<Envelope>(&delivery.data) {
            Ok(envelope) => {
                if sender.send(envelope).await.is_err() {
                    let _ = answer(connection.close(200, "done".into())).await?;
                    return Ok(());
                }
            }
            Err(error) => tracing::warn!(%error, "broadcast is no envelope"),
        }
    }
    Err(EventsError::Unroutable(name))
}

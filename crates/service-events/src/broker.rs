use std::{str::FromStr, time::Duration};

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{FieldTable, ShortString},
    uri::AMQPUri,
};
use service_config::AmqpSettings;

use crate::EventsError;

/// How long connecting and single answers of the broker may take.
const ANSWER: Duration = Duration::from_secs(5);
/// Seconds between heartbeats, so that a dead peer is noticed within twice that.
const HEARTBEAT: u16 = 10;

/// Where the broker is and under which prefix this platform's names live.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    prefix: String,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// Reads the address; connects to nothing yet.
    ///
    /// # Errors
    /// [`EventsError::Address`] when it is no AMQP address.
    pub fn new(settings: &AmqpSettings) -> Result<Self, EventsError> {
        let mut uri = AMQPUri::from_str(settings.url.expose()).map_err(EventsError::Address)?;
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT));
        let prefix = match settings.prefix.trim_end_matches('.') {
            "" => "tabib",
            prefix => prefix,
        };
        Ok(Self {
            uri,
            prefix: prefix.to_owned(),
        })
    }

    /// A name inside this platform's part of the broker: `<prefix>.<name>`; the prefix is `tabib`
    /// when none is set.
    pub fn name(&self, base: &str) -> String {
        format!("{}.{base}", self.prefix)
    }

    /// The topic exchange of all events: `tabib.events` under the default prefix `tabib`.
    pub fn exchange(&self) -> String {
        self.name("events")
    }

    /// How long an unused queue lives: for ever, but ten minutes when the prefix begins with
    /// `test-`, so that tests that died leave nothing behind.
    pub(crate) fn expiry(&self) -> Option<Duration> {
        self.prefix
            .starts_with("test-")
            .then_some(Duration::from_secs(600))
    }

    /// Opens a connection. It does not recover by itself: whoever holds it starts again from the
    /// topology when it breaks, so that nothing depends on what the library remembers.
    ///
    /// # Errors
    /// When the broker refuses or does not answer within 5 seconds.
    pub async fn connect(&self, name: &str) -> Result<Connection, EventsError> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(self.uri.clone(), properties);
        Ok(answer(connecting).await??)
    }

    /// Whether the broker accepts a connection; the readiness check of workers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), EventsError> {
        let connection = self.connect("ping").await?;
        let _ = answer(connection.close(200, "done".into())).await?;
        Ok(())
    }
}

/// A future of the broker's, cut after 5 seconds.
pub(crate) async fn answer<T>(future: impl Future<Output = T>) -> Result<T, EventsError> {
    tokio::time::timeout(ANSWER, future)
        .await
        .map_err(|_| EventsError::Timeout(ANSWER.as_secs()))
}

/// A channel on which every publish is confirmed.
pub(crate) async fn confirming_channel(connection: &Connection) -> Result<Channel, EventsError> {
    let channel = answer(connection.create_channel()).await??;
    answer(channel.confirm_select(ConfirmSelectOptions::default())).await??;
    Ok(channel)
}

/// Publishes one message and waits until the broker has stored it. Through the exchange `""` the
/// routing key is a queue's name.
///
/// # Errors
/// [`EventsError::Unroutable`] when no queue takes it or the queue is full.
pub(crate) async fn send(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    body: &[u8],
    message_id: Option<ShortString>,
    headers: FieldTable,
) -> Result<(), EventsError> {
    let mut properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_headers(headers);
    if let Some(id) = message_id {
        properties = properties.with_message_id(id);
    }
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let published = channel.basic_publish(
        exchange.into(),
        routing_key.into(),
        options,
        body,
        properties,
    );
    let confirmation = answer(async { published.await?.await }).await??;
    // An acknowledged message may still have been returned: an ack alone proves nothing.
    if !confirmation.is_ack() || confirmation.take_message().is_some() {
        return Err(EventsError::Unroutable(routing_key.to_owned()));
    }
    Ok(())
}

/// Waiting times between attempts: from 100 ms doubling to 5 s, jittered.
#[derive(Debug, Default)]
pub(crate) struct Backoff(u32);

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }

    pub(crate) async fn pause(&mut self) {
        let full = (100_u64 << self.0.min(6)).min(5_000);
        self.0 = self.0.saturating_add(1);
        let jitter = u64::from(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.subsec_nanos()),
        ) % (full / 2 + 1);
        tokio::time::sleep(Duration::from_millis(full / 2 + jitter)).await;
    }
}

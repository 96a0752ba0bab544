use std::sync::Arc;

use common_types::events::Envelope;
use diesel_async::RunQueryDsl;
use futures_util::StreamExt;
use lapin::{
    Connection,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable},
};
use service_db::DbError;
use uuid::Uuid;

use crate::{
    EventsError, Topology,
    broker::{Backoff, answer},
    consume::{ATTEMPT, ERROR, REASON},
    consumers::Context,
};

/// Moves a consumer's given-up messages from the broker into the table, where they are listed,
/// shown and replayed.
pub(crate) async fn drain_dead_letters(
    connection: Arc<Connection>,
    topology: Topology,
    context: Context,
) -> Result<(), EventsError> {
    let channel = answer(connection.create_channel()).await??;
    answer(channel.basic_qos(10, BasicQosOptions::default())).await??;
    let consuming = channel.basic_consume(
        topology.dead_queue().into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let mut deliveries = answer(consuming).await??;
    loop {
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Ok(()),
            delivery = deliveries.next() => {
                let Some(delivery) = delivery else {
                    return Err(EventsError::Unroutable(topology.dead_queue()));
                };
                let delivery = delivery?;
                keep(&context, &topology, &delivery).await?;
                answer(delivery.acker.ack(BasicAckOptions::default())).await??;
            }
        }
    }
}

/// Writes the row, waiting for the database as long as it is away.
async fn keep(
    context: &Context,
    topology: &Topology,
    delivery: &Delivery,
) -> Result<(), EventsError> {
    let mut backoff = Backoff::default();
    loop {
        match insert(context, topology, delivery).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_unavailable() => {
                tracing::warn!(%error, "dead letter waits for the database");
                tokio::select! {
                    () = context.cancel.cancelled() => return Err(error.into()),
                    () = backoff.pause() => {}
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn insert(
    context: &Context,
    topology: &Topology,
    delivery: &Delivery,
) -> Result<(), DbError> {
    use diesel::sql_types::{Binary, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
    let envelope: Option<Envelope> = serde_json::from_slice(&delivery.data).ok();
    let event_id = envelope.as_ref().map(|envelope| envelope.id);
    let key = event_id.map_or_else(
        || {
            delivery
                .properties
                .message_id()
                .as_ref()
                .map(|id| format!("message:{id}"))
        },
        |id| Some(id.to_string()),
    );
    let reason = header(delivery, REASON)
        .filter(|reason| reason != "retry")
        .or_else(|| header(delivery, "x-first-death-reason"))
        .unwrap_or_else(|| "delivery_limit".to_owned());
    let name = envelope.map(|envelope| envelope.name);
    tracing::error!(
        alarm = "events.dead_letter",
        queue = topology.consumer,
        reason,
        event = name,
        "event given up"
    );
    metrics::counter!("dead_letters_total", "queue" => topology.consumer.clone()).increment(1);
    let mut conn = context.db.get().await?;
    diesel::sql_query(
        "INSERT INTO dead_letters (id, queue, message_key, event_id, name, routing_key, reason, \
         error, headers, body, first_died_at, died_at) \
         VALUES ($1, $2, coalesce($3, 'body:' || md5($4)), $5, $6, $7, $8, $9, $10, $4, $11, $11) \
         ON CONFLICT (queue, message_key) WHERE replayed_at IS NULL DO UPDATE SET \
         deaths = dead_letters.deaths + 1, died_at = excluded.died_at, reason = excluded.reason, \
         error = excluded.error",
    )
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(&topology.consumer)
    .bind::<Nullable<Text>, _>(key)
    .bind::<Binary, _>(&delivery.data)
    .bind::<Nullable<SqlUuid>, _>(event_id)
    .bind::<Nullable<Text>, _>(name)
    .bind::<Text, _>(delivery.routing_key.as_str())
    .bind::<Text, _>(reason)
    .bind::<Nullable<Text>, _>(header(delivery, ERROR))
    .bind::<Jsonb, _>(attempts(delivery))
    .bind::<Timestamptz, _>(context.clock.now())
    .execute(&mut conn)
    .await?;
    Ok(())
}

fn header(delivery: &Delivery, key: &str) -> Option<String> {
    let table = delivery.properties.headers().as_ref()?;
    match table.inner().get(key)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn attempts(delivery: &Delivery) -> serde_json::Value {
    let table = delivery.properties.headers().as_ref();
    match table.and_then(|table| table.inner().get(ATTEMPT)) {
        Some(AMQPValue::LongInt(number)) => serde_json::json!({ "attempts": number }),
        _ => serde_json::json!({}),
    }
}

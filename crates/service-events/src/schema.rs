//! The shared tables that this crate reads and writes (`migrations/shared`).

diesel::table! {
    outbox_events (id) {
        id -> Uuid,
        name -> Text,
        version -> Int4,
        source -> Text,
        aggregate_id -> Uuid,
        aggregate_version -> Int8,
        organization_id -> Nullable<Uuid>,
        payload -> Jsonb,
        traceparent -> Nullable<Text>,
        occurred_at -> Timestamptz,
        available_at -> Timestamptz,
        published_at -> Nullable<Timestamptz>,
        attempts -> Int4,
        last_error -> Nullable<Text>,
    }
}

diesel::table! {
    inbox_events (consumer, event_id) {
        consumer -> Text,
        event_id -> Uuid,
        received_at -> Timestamptz,
    }
}

diesel::table! {
    aggregate_versions (consumer, aggregate_id) {
        consumer -> Text,
        aggregate_id -> Uuid,
        version -> Int8,
    }
}

diesel::table! {
    dead_letters (id) {
        id -> Uuid,
        queue -> Text,
        message_key -> Text,
        event_id -> Nullable<Uuid>,
        name -> Nullable<Text>,
        routing_key -> Text,
        reason -> Text,
        error -> Nullable<Text>,
        headers -> Jsonb,
        body -> Bytea,
        deaths -> Int4,
        first_died_at -> Timestamptz,
        died_at -> Timestamptz,
        replayed_at -> Nullable<Timestamptz>,
    }
}

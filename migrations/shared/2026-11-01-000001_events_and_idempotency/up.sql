-- Events that a committed transaction promised to publish.
CREATE TABLE outbox_events (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    source text NOT NULL,
    aggregate_id uuid NOT NULL,
    aggregate_version bigint NOT NULL,
    organization_id uuid,
    payload jsonb NOT NULL,
    traceparent text,
    occurred_at timestamptz NOT NULL,
    available_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    last_error text
);
CREATE INDEX outbox_events_unpublished ON outbox_events (available_at, id) WHERE published_at IS NULL;
CREATE INDEX outbox_events_published_at ON outbox_events (published_at) WHERE published_at IS NOT NULL;

-- Events whose effect is already in this database, per consumer.
CREATE TABLE inbox_events (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_events_received_at ON inbox_events (received_at);

-- The newest version of each aggregate that a consumer has applied.
CREATE TABLE aggregate_versions (
    consumer text NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (consumer, aggregate_id)
);

-- Messages that no amount of retrying delivered.
CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    queue text NOT NULL,
    message_key text NOT NULL,
    event_id uuid,
    name text,
    routing_key text NOT NULL,
    reason text NOT NULL,
    error text,
    headers jsonb NOT NULL DEFAULT '{}',
    body bytea NOT NULL,
    deaths integer NOT NULL DEFAULT 1,
    first_died_at timestamptz NOT NULL,
    died_at timestamptz NOT NULL,
    replayed_at timestamptz
);
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (queue, message_key) WHERE replayed_at IS NULL;
CREATE INDEX dead_letters_died_at ON dead_letters (died_at);

-- First answers of requests that carried an Idempotency-Key.
CREATE TABLE idempotency_keys (
    subject text NOT NULL,
    route text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash bytea NOT NULL,
    status smallint NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (subject, route, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

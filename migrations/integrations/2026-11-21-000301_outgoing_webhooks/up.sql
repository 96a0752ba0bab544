-- Where an organisation wants its events posted (Standard Webhooks).
CREATE TABLE outgoing_endpoints (
    id uuid PRIMARY KEY,
    -- NULL: the platform's own; it gets the events that belong to no organisation.
    organization_id uuid,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    url text NOT NULL CHECK (length(url) <= 2048),
    -- Empty: every type.
    event_types text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    -- One after the other within each ordering key.
    ordered boolean NOT NULL DEFAULT false,
    timeout_seconds integer NOT NULL DEFAULT 15 CHECK (timeout_seconds BETWEEN 1 AND 30),
    notify_email text CHECK (length(notify_email) <= 254),
    -- Of notices.
    language text NOT NULL DEFAULT 'fa' CHECK (language IN ('fa', 'fr', 'en')),
    disabled_reason text CHECK (disabled_reason IN ('manual', 'gone', 'failing')),
    disabled_at timestamptz,
    -- The first failure since the last success.
    failing_since timestamptz,
    consecutive_failures integer NOT NULL DEFAULT 0,
    -- Nothing is posted before this.
    paused_until timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX outgoing_endpoints_by_organization ON outgoing_endpoints (organization_id, created_at DESC, id DESC);

-- Keys of an endpoint: the current one, and older ones until they end.
CREATE TABLE outgoing_secrets (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES outgoing_endpoints (id) ON DELETE CASCADE,
    secret_sealed text NOT NULL,
    created_at timestamptz NOT NULL,
    -- NULL: the current one.
    expires_at timestamptz
);
CREATE UNIQUE INDEX outgoing_secrets_current ON outgoing_secrets (endpoint_id) WHERE expires_at IS NULL;
CREATE INDEX outgoing_secrets_by_endpoint ON outgoing_secrets (endpoint_id, created_at DESC);

-- An event as it is told to the outside. Kept 30 days.
CREATE TABLE outgoing_messages (
    id uuid PRIMARY KEY,
    organization_id uuid,
    event_type text NOT NULL,
    -- The event it was made from; NULL for an example.
    source_event_id uuid,
    ordering_key text NOT NULL,
    data jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT outgoing_messages_once UNIQUE (source_event_id)
);
CREATE INDEX outgoing_messages_by_organization ON outgoing_messages (organization_id, created_at DESC, id DESC);
CREATE INDEX outgoing_messages_created_at ON outgoing_messages (created_at);

-- The last number given in a stream; streams are numbered per endpoint and ordering key.
CREATE TABLE outgoing_streams (
    endpoint_id uuid NOT NULL REFERENCES outgoing_endpoints (id) ON DELETE CASCADE,
    ordering_key text NOT NULL,
    last_sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (endpoint_id, ordering_key)
);

-- One message for one endpoint.
CREATE TABLE outgoing_deliveries (
    id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES outgoing_messages (id) ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES outgoing_endpoints (id) ON DELETE CASCADE,
    ordering_key text NOT NULL,
    sequence bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'failed')),
    -- Tries of the present round; a resend begins a new round.
    attempts integer NOT NULL DEFAULT 0,
    -- Grows with every try and never goes back; a try that lost its lease cannot write.
    lease bigint NOT NULL DEFAULT 0,
    due_at timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT outgoing_deliveries_once UNIQUE (message_id, endpoint_id),
    CONSTRAINT outgoing_deliveries_open_is_due CHECK ((state IN ('pending', 'sending')) = (due_at IS NOT NULL))
);
CREATE INDEX outgoing_deliveries_due ON outgoing_deliveries (endpoint_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outgoing_deliveries_order ON outgoing_deliveries (endpoint_id, ordering_key, sequence) WHERE due_at IS NOT NULL;
CREATE INDEX outgoing_deliveries_by_endpoint ON outgoing_deliveries (endpoint_id, created_at DESC, id DESC);

-- What came of each try. Never what the receiver answered.
CREATE TABLE outgoing_attempts (
    id uuid PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES outgoing_deliveries (id) ON DELETE CASCADE,
    message_id uuid NOT NULL REFERENCES outgoing_messages (id) ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES outgoing_endpoints (id) ON DELETE CASCADE,
    number integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'failed')),
    status_code integer,
    error text,
    duration_ms integer NOT NULL,
    attempted_at timestamptz NOT NULL
);
CREATE INDEX outgoing_attempts_by_message ON outgoing_attempts (message_id, attempted_at);
CREATE INDEX outgoing_attempts_by_delivery ON outgoing_attempts (delivery_id);
CREATE INDEX outgoing_attempts_by_endpoint ON outgoing_attempts (endpoint_id, attempted_at DESC);

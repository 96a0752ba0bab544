-- An address at which a provider may post.
CREATE TABLE webhook_endpoints (
    id uuid PRIMARY KEY,
    provider_id uuid NOT NULL REFERENCES providers (id),
    -- NULL: the platform's own.
    organization_id uuid,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    endpoint_url text NOT NULL CHECK (endpoint_url ~ '^[-a-zA-Z0-9_/]{1,255}$'),
    secret_sealed text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    retry_count integer NOT NULL DEFAULT 3 CHECK (retry_count >= 0),
    timeout_seconds integer NOT NULL DEFAULT 30 CHECK (timeout_seconds > 0),
    -- Answer 200 to what is refused, for a sender that cannot live with anything else.
    legacy_replies boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT webhook_endpoints_endpoint_url_key UNIQUE (endpoint_url)
);
CREATE INDEX webhook_endpoints_provider_id ON webhook_endpoints (provider_id);

-- What arrived with a good signature, exactly as it arrived.
CREATE TABLE webhook_events (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id),
    organization_id uuid,
    -- The sender's event id with its type, else the SHA-256 of the body.
    dedupe_key text NOT NULL,
    event_type text NOT NULL,
    raw_body bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    signature text NOT NULL DEFAULT '',
    is_valid boolean NOT NULL,
    is_processed boolean NOT NULL DEFAULT false,
    processed_at timestamptz,
    error_message text NOT NULL DEFAULT '',
    retry_count integer NOT NULL DEFAULT 0,
    -- Copies of it that came later.
    duplicates integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL,
    CONSTRAINT webhook_events_once UNIQUE (endpoint_id, dedupe_key)
);
CREATE INDEX webhook_events_newest ON webhook_events (received_at DESC, id DESC);
CREATE INDEX webhook_events_open ON webhook_events (endpoint_id) WHERE NOT is_processed;

-- A capped sample of what came with a bad signature: evidence, not data. Kept 24 hours.
CREATE TABLE webhook_rejections (
    id uuid PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (id),
    reason text NOT NULL,
    body_sha256 bytea NOT NULL,
    body_size bigint NOT NULL,
    body_sample bytea NOT NULL CHECK (length(body_sample) <= 1024),
    source_ip text,
    received_at timestamptz NOT NULL
);
CREATE INDEX webhook_rejections_by_endpoint ON webhook_rejections (endpoint_id, received_at);

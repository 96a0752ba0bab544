-- A logical template key and what it is called at a provider; provider_slug '' holds the text for providers without templates.
CREATE TABLE message_templates (
    id uuid PRIMARY KEY,
    organization_id uuid,
    key text NOT NULL,
    provider_slug text NOT NULL DEFAULT '',
    value text NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT message_templates_key UNIQUE NULLS NOT DISTINCT (organization_id, key, provider_slug)
);

-- A message on its way. Recipient and body are sealed, and wiped when nothing needs them any more.
CREATE TABLE messages (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- The service or user that handed it over.
    owner text NOT NULL,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    organization_id uuid,
    channel text NOT NULL CHECK (channel IN ('sms', 'email')),
    purpose text NOT NULL CHECK (purpose IN ('otp', 'credentials', 'notification')),
    mode text NOT NULL CHECK (mode IN ('synchronous', 'queued')),
    language text NOT NULL,
    recipient_masked text NOT NULL,
    content_sealed text,
    reference text,
    state text NOT NULL
        CHECK (state IN ('queued', 'sending', 'sent', 'unknown', 'refused', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    -- When the worker takes it (again): to send, to ask for an outcome, or to ask for a receipt.
    due_at timestamptz,
    provider_slug text,
    provider_message_id text,
    cost_amount bigint,
    error_code text,
    error_text text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    finished_at timestamptz,
    wiped_at timestamptz,
    CONSTRAINT messages_number_key UNIQUE (number),
    CONSTRAINT messages_owner_key UNIQUE (owner, idempotency_key),
    CONSTRAINT messages_wiped CHECK ((wiped_at IS NULL) = (content_sealed IS NOT NULL))
);
CREATE INDEX messages_due ON messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_organization_id ON messages (organization_id, created_at DESC);
CREATE INDEX messages_provider_message_id ON messages (provider_message_id) WHERE provider_message_id IS NOT NULL;

-- Each try at each provider.
CREATE TABLE message_attempts (
    id uuid PRIMARY KEY,
    message_id uuid NOT NULL REFERENCES messages (id),
    provider_slug text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused', 'unknown')),
    error_code text,
    duration_ms integer NOT NULL,
    attempted_at timestamptz NOT NULL
);
CREATE INDEX message_attempts_message_id ON message_attempts (message_id);

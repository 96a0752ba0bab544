ALTER TABLE webhook_endpoints
    -- How a sender signs; 'auto' takes X-Signature or Standard Webhooks, whichever is there.
    ADD COLUMN scheme text NOT NULL DEFAULT 'auto'
        CHECK (scheme IN ('auto', 'x_signature', 'standard', 'stripe', 'generic')),
    -- Headers and spelling of the generic scheme.
    ADD COLUMN scheme_options jsonb NOT NULL DEFAULT '{}',
    -- How old a stated time may be; NULL: as the settings say.
    ADD COLUMN tolerance_seconds integer CHECK (tolerance_seconds BETWEEN 1 AND 86400),
    -- The secret before the last rotation, good until its time.
    ADD COLUMN previous_secret_sealed text,
    ADD COLUMN previous_secret_until timestamptz,
    ADD CONSTRAINT webhook_endpoints_previous_secret
        CHECK ((previous_secret_sealed IS NULL) = (previous_secret_until IS NULL));
CREATE INDEX webhook_endpoints_organization_id ON webhook_endpoints (organization_id, name, id);

-- When an event that could not be handed on is looked at again.
ALTER TABLE webhook_events ADD COLUMN retry_at timestamptz;
CREATE INDEX webhook_events_retry_at ON webhook_events (retry_at) WHERE retry_at IS NOT NULL;
CREATE INDEX webhook_events_by_endpoint ON webhook_events (endpoint_id, received_at DESC, id DESC);
CREATE INDEX webhook_events_by_organization ON webhook_events (organization_id, received_at DESC, id DESC);

-- Wave signs the time directly followed by the body.
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_scheme_check,
    ADD CONSTRAINT webhook_endpoints_scheme_check
        CHECK (scheme IN ('auto', 'x_signature', 'standard', 'stripe', 'wave', 'generic'));

-- Types of events that an organisation sends itself, beside those of the platform.
CREATE TABLE outgoing_event_types (
    id uuid PRIMARY KEY,
    -- NULL: the platform's.
    organization_id uuid,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$' AND length(name) <= 128),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    created_by uuid,
    created_at timestamptz NOT NULL,
    CONSTRAINT outgoing_event_types_once UNIQUE NULLS NOT DISTINCT (organization_id, name)
);

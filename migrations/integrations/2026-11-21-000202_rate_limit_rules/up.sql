-- How often something may be called, as data: by route or by action, with wildcards.
CREATE TABLE rate_limit_rules (
    id uuid PRIMARY KEY,
    -- NULL: for calls through any provider.
    provider_id uuid REFERENCES providers (id),
    -- NULL: the platform's own, for everybody.
    organization_id uuid,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    endpoint_pattern text NOT NULL CHECK (length(endpoint_pattern) BETWEEN 1 AND 255),
    max_requests integer NOT NULL CHECK (max_requests > 0),
    time_window_seconds integer NOT NULL CHECK (time_window_seconds > 0),
    scope text NOT NULL DEFAULT 'user' CHECK (scope IN ('global', 'user', 'ip', 'organization')),
    is_active boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX rate_limit_rules_provider_id ON rate_limit_rules (provider_id);
CREATE INDEX rate_limit_rules_organization_id ON rate_limit_rules (organization_id, name);

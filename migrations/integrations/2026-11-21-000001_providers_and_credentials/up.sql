-- A vendor account that the platform can use, or a stand-in for one.
CREATE TABLE providers (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    slug text NOT NULL CHECK (slug ~ '^[-a-zA-Z0-9_]{1,50}$'),
    provider_type text NOT NULL
        CHECK (provider_type IN ('sms', 'payment', 'ai', 'storage', 'notification', 'analytics', 'other')),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive', 'maintenance')),
    -- Which client of ours speaks to it.
    adapter text NOT NULL,
    description text NOT NULL DEFAULT '',
    api_base_url text NOT NULL DEFAULT '',
    documentation_url text NOT NULL DEFAULT '',
    -- Lower is tried first.
    priority integer NOT NULL DEFAULT 100,
    consecutive_failures integer NOT NULL DEFAULT 0,
    last_health jsonb,
    last_checked_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT providers_name_key UNIQUE (name),
    CONSTRAINT providers_slug_key UNIQUE (slug)
);
CREATE INDEX providers_by_use ON providers (provider_type, status, priority);

-- What a provider wants to see: sealed, never shown again.
CREATE TABLE provider_credentials (
    id uuid PRIMARY KEY,
    provider_id uuid NOT NULL REFERENCES providers (id),
    -- NULL: the platform's own.
    organization_id uuid,
    key_name text NOT NULL CHECK (length(key_name) BETWEEN 1 AND 100),
    value_sealed text NOT NULL,
    masked_value text NOT NULL,
    environment text NOT NULL DEFAULT 'production' CHECK (environment IN ('development', 'staging', 'production')),
    is_active boolean NOT NULL DEFAULT true,
    expires_at timestamptz,
    created_by uuid,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT provider_credentials_key UNIQUE NULLS NOT DISTINCT (provider_id, key_name, environment, organization_id)
);
CREATE INDEX provider_credentials_organization_id ON provider_credentials (organization_id);

-- Everything the platform did with a provider, without secrets and without texts. Kept 30 days.
CREATE TABLE integration_logs (
    id uuid PRIMARY KEY,
    provider_id uuid REFERENCES providers (id),
    organization_id uuid,
    log_level text NOT NULL CHECK (log_level IN ('debug', 'info', 'warning', 'error', 'critical')),
    service_name text NOT NULL,
    action text NOT NULL,
    request_data jsonb NOT NULL DEFAULT '{}',
    response_data jsonb NOT NULL DEFAULT '{}',
    error_message text NOT NULL DEFAULT '',
    status_code integer,
    duration_ms integer,
    user_id uuid,
    user_name text NOT NULL DEFAULT '',
    ip_address text,
    created_at timestamptz NOT NULL
);
CREATE INDEX integration_logs_newest ON integration_logs (created_at DESC, id DESC);
CREATE INDEX integration_logs_provider_id ON integration_logs (provider_id, created_at DESC);

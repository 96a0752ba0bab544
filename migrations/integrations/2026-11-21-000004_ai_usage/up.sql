-- Limits as content set them (content.usage_limit_changed); NULL is unlimited.
CREATE TABLE usage_limits (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    scope text NOT NULL CHECK (scope IN ('user', 'workspace', 'organization')),
    scope_id uuid NOT NULL,
    period text NOT NULL CHECK (period IN ('monthly', 'daily')),
    requests_limit bigint,
    tokens_limit bigint,
    cost_limit_micros bigint,
    is_deleted boolean NOT NULL DEFAULT false,
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX usage_limits_by_scope ON usage_limits (scope, scope_id) WHERE NOT is_deleted;

-- Used and reserved together, per scope and window; a reservation locks its rows, so parallel calls cannot overdraw.
CREATE TABLE usage_counters (
    scope text NOT NULL CHECK (scope IN ('user', 'workspace', 'organization')),
    scope_id uuid NOT NULL,
    -- A person's use is counted per organisation.
    organization_id uuid NOT NULL,
    period text NOT NULL CHECK (period IN ('monthly', 'daily')),
    window_start date NOT NULL,
    requests bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, scope_id, organization_id, period, window_start)
);

-- One row per AI call: reserved before it, settled after it.
CREATE TABLE ai_calls (
    id uuid PRIMARY KEY,
    owner text NOT NULL,
    reservation_key text NOT NULL CHECK (length(reservation_key) BETWEEN 1 AND 255),
    organization_id uuid NOT NULL,
    workspace_id uuid,
    user_id uuid,
    content_id uuid,
    purpose text NOT NULL,
    state text NOT NULL CHECK (state IN ('reserved', 'succeeded', 'failed')),
    provider text NOT NULL,
    model text NOT NULL,
    reserved_tokens bigint NOT NULL CHECK (reserved_tokens >= 0),
    reserved_cost_micros bigint NOT NULL CHECK (reserved_cost_micros >= 0),
    prompt_tokens bigint NOT NULL DEFAULT 0,
    completion_tokens bigint NOT NULL DEFAULT 0,
    total_tokens bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    duration_ms bigint NOT NULL DEFAULT 0,
    error_code text,
    -- The answer, sealed, for a caller that asks again with the same key; wiped after a day.
    answer_sealed text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    settled_at timestamptz,
    CONSTRAINT ai_calls_once UNIQUE (owner, reservation_key)
);
CREATE INDEX ai_calls_open ON ai_calls (expires_at) WHERE state = 'reserved';
CREATE INDEX ai_calls_organization_id ON ai_calls (organization_id, created_at DESC);
CREATE INDEX ai_calls_answers ON ai_calls (settled_at) WHERE answer_sealed IS NOT NULL;

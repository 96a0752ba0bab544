-- Counters hold Rial too.
ALTER TABLE send_counters ALTER COLUMN sent TYPE bigint;

-- When codes went to a phone within the last day: exact windows instead of calendar hours.
CREATE TABLE phone_sends (
    phone text PRIMARY KEY,
    sent_at timestamptz[] NOT NULL,
    last_at timestamptz NOT NULL
);
CREATE INDEX phone_sends_last_at ON phone_sends (last_at);

-- A code is spoken at most once, and its SMS's fate stands beside it.
ALTER TABLE one_time_codes ADD COLUMN called_at timestamptz;
ALTER TABLE one_time_codes ADD COLUMN delivery text CHECK (delivery IN ('delivered', 'failed'));

-- Kill switches and challenge mode: `all`, `purpose:<name>`, `organization:<id>`, `challenge`.
CREATE TABLE shield_switches (
    scope text PRIMARY KEY CHECK (length(scope) BETWEEN 1 AND 100),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    set_by uuid,
    set_at timestamptz NOT NULL,
    ends_at timestamptz
);

-- Addresses that attacked, and until when nothing is taken from them.
CREATE TABLE blocked_sources (
    id uuid PRIMARY KEY,
    source text NOT NULL CONSTRAINT blocked_sources_source_key UNIQUE CHECK (length(source) BETWEEN 2 AND 64),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    times integer NOT NULL DEFAULT 1 CHECK (times > 0),
    created_by uuid,
    blocked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX blocked_sources_expires_at ON blocked_sources (expires_at);

-- An answer to a challenge counts once.
CREATE TABLE spent_challenges (
    digest bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX spent_challenges_expires_at ON spent_challenges (expires_at);

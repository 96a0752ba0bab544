-- How a session was opened and what it has proved since. `carrier` says where its refresh token travels: a token of one
-- carrier does not count in the other (decisions.md 7).
ALTER TABLE sessions
    ADD COLUMN carrier text NOT NULL DEFAULT 'body' CONSTRAINT sessions_carrier CHECK (carrier IN ('body', 'cookie')),
    ADD COLUMN opened_by text NOT NULL DEFAULT 'code'
        CONSTRAINT sessions_opened_by CHECK (opened_by IN ('code', 'password', 'recovery')),
    ADD COLUMN stepped_up_at timestamptz,
    ADD COLUMN second_factor_at timestamptz;

-- Since when the phone is another one: payouts wait a day (Q-A8).
ALTER TABLE users ADD COLUMN phone_changed_at timestamptz;

-- Devices a person has logged in with: browser, system and kind as their user agent names them, hashed.
CREATE TABLE known_devices (
    user_id uuid NOT NULL REFERENCES users (id),
    fingerprint bytea NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, fingerprint)
);
CREATE INDEX known_devices_last_seen_at ON known_devices (last_seen_at);

-- Text messages that tell the owner of an account what happened to it. They carry no secret; the worker sends them.
CREATE TABLE account_alerts (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    kind text NOT NULL,
    phone text NOT NULL,
    language text NOT NULL CHECK (language IN ('fa', 'fr', 'en')),
    device text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    sent_at timestamptz
);
CREATE INDEX account_alerts_user_id ON account_alerts (user_id);
CREATE INDEX account_alerts_due_at ON account_alerts (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX account_alerts_created_at ON account_alerts (created_at);

-- One authenticator application per person (RFC 6238). The secret is sealed, bound to this row; it counts from
-- `confirmed_at` on. `last_step` is the newest time step that was used: no step counts twice.
CREATE TABLE second_factors (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    secret text NOT NULL,
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failed_at timestamptz
);

-- Codes for the day the authenticator is lost: HMACs under a key outside the database, each good for one use.
CREATE TABLE recovery_codes (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT recovery_codes_user_hash_key UNIQUE (user_id, code_hash)
);

-- A login whose first factor was right and whose second one is awaited.
CREATE TABLE login_challenges (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    token_hash bytea NOT NULL CONSTRAINT login_challenges_token_hash_key UNIQUE,
    kind text NOT NULL CHECK (kind IN ('rotating', 'stable')),
    carrier text NOT NULL CHECK (carrier IN ('body', 'cookie')),
    opened_by text NOT NULL CHECK (opened_by IN ('code', 'password', 'recovery')),
    group_number integer NOT NULL DEFAULT 0,
    organization_id uuid REFERENCES organizations (id),
    verified_phone text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX login_challenges_organization_id ON login_challenges (organization_id);
CREATE INDEX login_challenges_user_id ON login_challenges (user_id);
CREATE INDEX login_challenges_expires_at ON login_challenges (expires_at);

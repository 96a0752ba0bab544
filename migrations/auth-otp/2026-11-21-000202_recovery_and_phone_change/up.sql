-- A code that an admin made for a person who has lost phone and authenticator; shown once, hashed, good for one use.
CREATE TABLE account_recoveries (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    made_by uuid NOT NULL REFERENCES users (id),
    organization_id uuid REFERENCES organizations (id),
    code_hash bytea NOT NULL CONSTRAINT account_recoveries_code_hash_key UNIQUE,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    cancelled_at timestamptz
);
CREATE INDEX account_recoveries_user_id ON account_recoveries (user_id);
CREATE INDEX account_recoveries_made_by ON account_recoveries (made_by);
CREATE INDEX account_recoveries_organization_id ON account_recoveries (organization_id);
CREATE INDEX account_recoveries_expires_at ON account_recoveries (expires_at);

-- A wish for another phone; both numbers prove themselves with a code, the old one unless an admin's code opened the
-- session.
CREATE TABLE phone_changes (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    old_phone text,
    new_phone text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    completed_at timestamptz
);
CREATE INDEX phone_changes_user_id ON phone_changes (user_id);
CREATE INDEX phone_changes_session_id ON phone_changes (session_id);
CREATE INDEX phone_changes_expires_at ON phone_changes (expires_at);

-- Who made a partner's key, and which key took its place.
ALTER TABLE api_keys
    ADD COLUMN created_by uuid REFERENCES users (id),
    ADD COLUMN replaced_by uuid REFERENCES api_keys (id);
CREATE INDEX api_keys_created_by ON api_keys (created_by);
CREATE INDEX api_keys_replaced_by ON api_keys (replaced_by);
CREATE INDEX api_keys_created_at ON api_keys (created_at);

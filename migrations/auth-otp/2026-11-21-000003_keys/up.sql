-- Signing keys; the private part is sealed under the platform key, bound to this row.
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    kid text NOT NULL CONSTRAINT signing_keys_kid_key UNIQUE,
    public_key jsonb NOT NULL,
    private_key text NOT NULL,
    created_at timestamptz NOT NULL,
    active_from timestamptz NOT NULL,
    published_until timestamptz
);

-- Keys of partner systems; only the hash is stored.
CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    key_hash bytea NOT NULL CONSTRAINT api_keys_key_hash_key UNIQUE,
    hint text NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    organization_id uuid REFERENCES organizations (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_organization_id ON api_keys (organization_id);

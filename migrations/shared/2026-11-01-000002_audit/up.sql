-- One row per request or staff action: who did what to whom, from where, with which outcome.
CREATE TABLE audit_entries (
    id uuid PRIMARY KEY,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    actor_kind text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_ids text[] NOT NULL DEFAULT '{}',
    organization_id uuid,
    outcome text NOT NULL,
    ip text,
    request_id text,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_entries_occurred_at ON audit_entries (occurred_at, id);
CREATE INDEX audit_entries_organization_id ON audit_entries (organization_id, occurred_at);
CREATE INDEX audit_entries_subject_ids ON audit_entries USING gin (subject_ids);

-- The hash chain: each seal covers a batch of entries and the seal before it.
CREATE TABLE audit_seals (
    number bigint PRIMARY KEY CHECK (number > 0),
    entry_ids uuid[] NOT NULL,
    entries_hash bytea NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL
);

-- Which entry lies under which seal.
CREATE TABLE audit_sealed_entries (
    entry_id uuid PRIMARY KEY REFERENCES audit_entries (id),
    seal_number bigint NOT NULL REFERENCES audit_seals (number)
);
CREATE INDEX audit_sealed_entries_seal_number ON audit_sealed_entries (seal_number);

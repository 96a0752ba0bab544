-- A copy of users, kept from auth.user_* events and filled on demand: who the person of a phone is.
CREATE TABLE people (
    id uuid PRIMARY KEY,
    number bigint NOT NULL,
    phone text,
    full_name text NOT NULL DEFAULT '',
    language text NOT NULL,
    is_active boolean NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX people_phone ON people (phone);

-- A doctor asks to see a patient's latest summary; the code itself lives in auth-otp.
CREATE TABLE access_requests (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    doctor_name text NOT NULL DEFAULT '',
    patient_phone text NOT NULL,
    phone_as_given text NOT NULL,
    patient_user_id uuid,
    status text NOT NULL CHECK (status IN ('pending', 'verified', 'expired', 'rejected')),
    challenge_id uuid,
    code_expires_at timestamptz,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    CONSTRAINT access_requests_decided CHECK ((status = 'pending') = (decided_at IS NULL))
);
CREATE INDEX access_requests_patient_phone ON access_requests (patient_phone, created_at DESC);
CREATE INDEX access_requests_doctor_id ON access_requests (doctor_id, created_at DESC);
CREATE INDEX access_requests_pending ON access_requests (code_expires_at) WHERE status = 'pending';

-- What the patient allowed: one doctor of one clinic, this patient, until expires_at. Only the hash of the token.
CREATE TABLE grants (
    id uuid PRIMARY KEY,
    request_id uuid NOT NULL REFERENCES access_requests (id),
    organization_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    doctor_name text NOT NULL DEFAULT '',
    patient_phone text NOT NULL,
    phone_as_given text NOT NULL,
    patient_user_id uuid,
    token_hash bytea NOT NULL,
    granted_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_by text CHECK (revoked_by IN ('patient', 'doctor', 'admin')),
    last_viewed_at timestamptz,
    view_count bigint NOT NULL DEFAULT 0 CHECK (view_count >= 0),
    version bigint NOT NULL DEFAULT 1,
    CONSTRAINT grants_request_id_key UNIQUE (request_id),
    CONSTRAINT grants_token_hash_key UNIQUE (token_hash),
    CONSTRAINT grants_expires CHECK (expires_at > granted_at),
    CONSTRAINT grants_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX grants_patient_phone ON grants (patient_phone, granted_at DESC);
CREATE INDEX grants_doctor_id ON grants (doctor_id, granted_at DESC);

-- The last answer of the patient's source, sealed, for an hour at most and never beyond the grant.
CREATE TABLE cached_summaries (
    grant_id uuid PRIMARY KEY REFERENCES grants (id) ON DELETE CASCADE,
    patient_user_id uuid,
    sealed text NOT NULL,
    fetched_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX cached_summaries_patient_user_id ON cached_summaries (patient_user_id);
CREATE INDEX cached_summaries_expires_at ON cached_summaries (expires_at);

-- When a patient's summary last changed: what was fetched before must not be cached after.
CREATE TABLE summary_changes (
    patient_user_id uuid PRIMARY KEY,
    changed_at timestamptz NOT NULL
);

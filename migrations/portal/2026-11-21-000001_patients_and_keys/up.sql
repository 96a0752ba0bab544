-- What the papers say about the issuing clinic. Without a row the settings' defaults count.
CREATE TABLE clinic_profiles (
    organization_id uuid PRIMARY KEY,
    name text NOT NULL,
    address text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    registrations jsonb NOT NULL DEFAULT '[]',
    currency text NOT NULL CHECK (currency IN ('IRR', 'XOF', 'EUR', 'USD')),
    language text NOT NULL CHECK (language IN ('fa', 'fr', 'en')),
    utc_offset_minutes integer NOT NULL DEFAULT 0 CHECK (utc_offset_minutes BETWEEN -840 AND 840),
    updated_at timestamptz NOT NULL
);

-- Copy of auth-otp's users, from auth.user_* events: a user is a patient by verified phone, staff by id.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    number bigint NOT NULL,
    phone text,
    full_name text NOT NULL DEFAULT '',
    language text NOT NULL,
    is_active boolean NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX users_phone_idx ON users (phone) WHERE phone IS NOT NULL;

CREATE TABLE patients (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    patient_code text NOT NULL CHECK (patient_code ~ '^[A-Z0-9]{6}$'),
    first_name text NOT NULL CHECK (char_length(first_name) <= 100),
    last_name text NOT NULL CHECK (char_length(last_name) <= 100),
    gender text NOT NULL CHECK (gender IN ('M', 'F')),
    age integer CHECK (age BETWEEN 0 AND 150),
    phone_number text CHECK (char_length(phone_number) <= 17),
    phone_e164 text CHECK (phone_e164 ~ '^\+[0-9]{8,15}$'),
    email text,
    address text NOT NULL DEFAULT '',
    language text NOT NULL CHECK (language IN ('fa', 'fr', 'en')),
    created_by uuid,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (organization_id, id)
);
CREATE UNIQUE INDEX patients_code_key ON patients (organization_id, patient_code);
CREATE INDEX patients_list_idx ON patients (organization_id, created_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX patients_phone_idx ON patients (phone_e164) WHERE phone_e164 IS NOT NULL;

-- The permanent keys: one set per patient for life (R01, INV5).
CREATE TABLE patient_accesses (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    key_lookup bytea NOT NULL CHECK (octet_length(key_lookup) = 32),
    key_sealed text NOT NULL,
    password_hash text NOT NULL,
    password_sealed text NOT NULL,
    is_active boolean NOT NULL DEFAULT true,
    access_count bigint NOT NULL DEFAULT 0,
    last_access timestamptz,
    failures_in_a_row integer NOT NULL DEFAULT 0,
    password_shown_at timestamptz,
    created_by uuid,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (organization_id, patient_id) REFERENCES patients (organization_id, id)
);
CREATE UNIQUE INDEX patient_accesses_patient_key ON patient_accesses (patient_id);
CREATE UNIQUE INDEX patient_accesses_key_key ON patient_accesses (key_lookup);
CREATE INDEX patient_accesses_list_idx ON patient_accesses (organization_id, patient_id);

-- Keys to be handed out. No secret here: the worker unseals them when it calls integrations.
CREATE TABLE credential_deliveries (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL REFERENCES patient_accesses (id),
    patient_id uuid NOT NULL REFERENCES patients (id),
    channel text NOT NULL CHECK (channel IN ('sms', 'email')),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'delivered', 'unknown', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    message_id uuid,
    last_error text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX credential_deliveries_due_idx ON credential_deliveries (next_attempt_at) WHERE state = 'pending';
CREATE INDEX credential_deliveries_subject_idx ON credential_deliveries (subject_id);
CREATE INDEX credential_deliveries_patient_idx ON credential_deliveries (patient_id);

-- Every try to log in; a try counts as failed until it has succeeded, so parallel guesses cannot slip past the limit.
CREATE TABLE login_attempts (
    id uuid PRIMARY KEY,
    key_lookup bytea NOT NULL,
    source text NOT NULL,
    ip text NOT NULL,
    known_device boolean NOT NULL,
    succeeded boolean NOT NULL DEFAULT false,
    attempted_at timestamptz NOT NULL
);
CREATE INDEX login_attempts_key_idx ON login_attempts (key_lookup, attempted_at) WHERE NOT succeeded;
CREATE INDEX login_attempts_ip_idx ON login_attempts (ip, attempted_at) WHERE NOT succeeded;
CREATE INDEX login_attempts_age_idx ON login_attempts (attempted_at);

CREATE TABLE portal_sessions (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL REFERENCES patients (id),
    access_id uuid NOT NULL REFERENCES patient_accesses (id),
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text CHECK (end_reason IN ('logout', 'access_disabled', 'idle')),
    ip text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT ''
);
CREATE INDEX portal_sessions_access_idx ON portal_sessions (access_id, ended_at);
CREATE INDEX portal_sessions_patient_idx ON portal_sessions (patient_id, created_at DESC);
CREATE INDEX portal_sessions_expiry_idx ON portal_sessions (expires_at);

CREATE TABLE session_revocations (
    cursor bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('session', 'user')),
    subject_id uuid NOT NULL,
    not_before bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX session_revocations_expiry_idx ON session_revocations (expires_at);

-- Portal's own signing keys, sealed; made at first start, public halves published at /.well-known/jwks.json.
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    kid text NOT NULL UNIQUE,
    private_key_sealed text NOT NULL,
    public_jwk jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'retired')),
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE UNIQUE INDEX signing_keys_active_key ON signing_keys (state) WHERE state = 'active';

-- Who saw a patient's summary, from patient_access.* events; shown to the patient.
CREATE TABLE summary_accesses (
    id uuid PRIMARY KEY,
    organization_id uuid,
    kind text NOT NULL CHECK (kind IN ('granted', 'denied', 'viewed', 'revoked')),
    patient_user_id uuid NOT NULL,
    doctor_id uuid NOT NULL,
    grant_id uuid,
    break_glass boolean NOT NULL DEFAULT false,
    detail text NOT NULL DEFAULT '',
    happened_at timestamptz NOT NULL
);
CREATE INDEX summary_accesses_patient_idx ON summary_accesses (patient_user_id, happened_at DESC);

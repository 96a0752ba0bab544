CREATE TABLE summaries (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    patient_user_id uuid NOT NULL REFERENCES people (id),
    organization_id uuid,
    content text NOT NULL,
    summary_text text NOT NULL,
    model text NOT NULL,
    last_message_number bigint NOT NULL,
    created_by uuid NOT NULL REFERENCES people (id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX summaries_patient ON summaries (patient_user_id, number DESC);
CREATE INDEX summaries_room ON summaries (room_id, number DESC);
CREATE INDEX summaries_created_by ON summaries (created_by);

-- A summary that was asked for and what became of it.
CREATE TABLE summary_jobs (
    id uuid PRIMARY KEY,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    patient_user_id uuid NOT NULL REFERENCES people (id),
    requested_by uuid NOT NULL REFERENCES people (id),
    organization_id uuid,
    language text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CONSTRAINT summary_jobs_state CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    error_code text,
    summary_id uuid REFERENCES summaries (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX summary_jobs_due ON summary_jobs (next_attempt_at) WHERE state IN ('pending', 'running');
CREATE INDEX summary_jobs_room ON summary_jobs (room_id);
CREATE INDEX summary_jobs_patient ON summary_jobs (patient_user_id);
CREATE INDEX summary_jobs_requested_by ON summary_jobs (requested_by);
CREATE INDEX summary_jobs_summary ON summary_jobs (summary_id) WHERE summary_id IS NOT NULL;

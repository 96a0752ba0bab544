CREATE TABLE reports (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    access_id uuid NOT NULL REFERENCES patient_accesses (id),
    invoice_id uuid,
    file_name text NOT NULL CHECK (char_length(file_name) BETWEEN 1 AND 200),
    content_type text NOT NULL CHECK (content_type IN ('application/pdf', 'image/jpeg', 'image/png')),
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 bytea NOT NULL,
    storage_key text NOT NULL UNIQUE,
    is_active boolean NOT NULL DEFAULT false,
    activated_at timestamptz,
    override_reason text,
    override_by uuid,
    expires_at timestamptz,
    download_count bigint NOT NULL DEFAULT 0,
    uploaded_by uuid,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    FOREIGN KEY (organization_id, patient_id) REFERENCES patients (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoices (organization_id, id)
);
CREATE INDEX reports_list_idx ON reports (organization_id, created_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX reports_patient_idx ON reports (organization_id, patient_id);
CREATE INDEX reports_access_idx ON reports (access_id);
CREATE INDEX reports_invoice_idx ON reports (organization_id, invoice_id);

-- Patients to be told of a new report.
CREATE TABLE report_notifications (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    subject_id uuid NOT NULL REFERENCES reports (id),
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
CREATE INDEX report_notifications_due_idx ON report_notifications (next_attempt_at) WHERE state = 'pending';
CREATE INDEX report_notifications_subject_idx ON report_notifications (subject_id);
CREATE INDEX report_notifications_patient_idx ON report_notifications (patient_id);

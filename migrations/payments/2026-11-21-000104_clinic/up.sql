-- Copies of portal's invoices and published reports: what the clinic's lists and the answer to double payments need.
CREATE TABLE invoice_copies (
    invoice_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    status text NOT NULL,
    total_amount bigint NOT NULL,
    currency text NOT NULL,
    version bigint NOT NULL,
    paid_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE INDEX invoice_copies_organization_id ON invoice_copies (organization_id, status, updated_at DESC);

CREATE TABLE report_copies (
    report_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    invoice_id uuid,
    published_at timestamptz NOT NULL
);
CREATE INDEX report_copies_invoice_id ON report_copies (invoice_id);
CREATE INDEX report_copies_organization_id ON report_copies (organization_id, published_at DESC);

-- What portal recorded on an invoice; online payments name ours.
ALTER TABLE bookings
    ADD COLUMN invoice_id uuid,
    ADD COLUMN amount bigint NOT NULL DEFAULT 0,
    ADD COLUMN online_payment_id uuid;
CREATE INDEX bookings_invoice_id ON bookings (invoice_id);
CREATE INDEX bookings_online_payment_id ON bookings (online_payment_id);

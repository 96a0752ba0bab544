-- How far portal's invoices from before the subscription were copied; one row.
CREATE TABLE clinic_backfill (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    after_invoice_id uuid,
    finished_at timestamptz
);
INSERT INTO clinic_backfill DEFAULT VALUES;

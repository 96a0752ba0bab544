CREATE TABLE exam_types (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) <= 200),
    description text NOT NULL DEFAULT '',
    price_amount bigint NOT NULL CHECK (price_amount >= 0),
    duration_minutes integer NOT NULL DEFAULT 30 CHECK (duration_minutes >= 0),
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX exam_types_name_key ON exam_types (organization_id, name);

-- Gapless numbers: the row is locked by the transaction that takes the next one.
CREATE TABLE document_counters (
    organization_id uuid NOT NULL,
    series text NOT NULL,
    last_value bigint NOT NULL CHECK (last_value >= 0),
    PRIMARY KEY (organization_id, series)
);

CREATE TABLE invoices (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    invoice_number text NOT NULL,
    patient_id uuid NOT NULL,
    created_by uuid,
    created_by_name text NOT NULL DEFAULT '',
    invoice_date date NOT NULL,
    due_date date NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'sent', 'partially_paid', 'paid', 'cancelled')),
    currency text NOT NULL CHECK (currency IN ('IRR', 'XOF', 'EUR', 'USD')),
    tax_rate_hundredths integer NOT NULL CHECK (tax_rate_hundredths BETWEEN 0 AND 10000),
    subtotal_amount bigint NOT NULL,
    tax_amount bigint NOT NULL,
    total_amount bigint NOT NULL CHECK (total_amount >= 0),
    notes text NOT NULL DEFAULT '',
    access_id uuid REFERENCES patient_accesses (id),
    paid_at timestamptz,
    hidden_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, patient_id) REFERENCES patients (organization_id, id),
    CONSTRAINT invoices_tax_adds_up CHECK (subtotal_amount + tax_amount = total_amount),
    -- INV5: whatever is paid has its keys.
    CONSTRAINT invoices_paid_has_keys CHECK (status <> 'paid' OR access_id IS NOT NULL)
);
CREATE UNIQUE INDEX invoices_invoice_number_key ON invoices (organization_id, invoice_number);
CREATE INDEX invoices_list_idx ON invoices (organization_id, created_at DESC) WHERE hidden_at IS NULL;
CREATE INDEX invoices_patient_idx ON invoices (organization_id, patient_id);
CREATE INDEX invoices_access_idx ON invoices (access_id);

CREATE TABLE invoice_lines (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    exam_type_id uuid REFERENCES exam_types (id) ON DELETE SET NULL,
    description text NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 1),
    unit_price_amount bigint NOT NULL CHECK (unit_price_amount >= 0),
    total_amount bigint NOT NULL,
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoices (organization_id, id),
    UNIQUE (invoice_id, position),
    CONSTRAINT invoice_lines_total CHECK (total_amount = quantity * unit_price_amount)
);
CREATE INDEX invoice_lines_invoice_idx ON invoice_lines (organization_id, invoice_id);
CREATE INDEX invoice_lines_exam_type_idx ON invoice_lines (exam_type_id);

CREATE TABLE examinations (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    patient_id uuid NOT NULL,
    exam_type_id uuid REFERENCES exam_types (id) ON DELETE SET NULL,
    exam_name text NOT NULL,
    invoice_id uuid,
    performed_on date NOT NULL,
    performed_by uuid,
    status text NOT NULL CHECK (status IN ('registered', 'performed', 'cancelled')),
    notes text NOT NULL DEFAULT '',
    created_by uuid,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (organization_id, patient_id) REFERENCES patients (organization_id, id),
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoices (organization_id, id)
);
CREATE INDEX examinations_patient_idx ON examinations (organization_id, patient_id);
CREATE INDEX examinations_invoice_idx ON examinations (organization_id, invoice_id);
CREATE INDEX examinations_exam_type_idx ON examinations (exam_type_id);

-- Payments recorded on invoices, by hand or by an online settlement. DELETE is a void (decision 18).
CREATE TABLE recorded_payments (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 1),
    discount_amount bigint NOT NULL DEFAULT 0,
    coverage_hundredths integer NOT NULL DEFAULT 0 CHECK (coverage_hundredths BETWEEN 0 AND 10000),
    coverage_name text NOT NULL DEFAULT '',
    refunded_amount bigint NOT NULL DEFAULT 0,
    payment_method text NOT NULL CHECK (payment_method IN
        ('cash', 'check', 'bank_transfer', 'mobile_money', 'orange_money', 'wave', 'free_money', 'credit_card', 'online')),
    payment_date timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'cancelled', 'refunded')),
    reference_number text NOT NULL DEFAULT '',
    transaction_id text NOT NULL DEFAULT '',
    receipt_number text,
    phone_number text NOT NULL DEFAULT '',
    operator_reference text NOT NULL DEFAULT '',
    notes text NOT NULL DEFAULT '',
    recorded_by uuid,
    recorded_by_name text NOT NULL DEFAULT '',
    online_payment_id uuid,
    voided_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    FOREIGN KEY (organization_id, invoice_id) REFERENCES invoices (organization_id, id),
    CONSTRAINT recorded_payments_discount CHECK (discount_amount BETWEEN 0 AND amount),
    CONSTRAINT recorded_payments_refund CHECK (refunded_amount BETWEEN 0 AND amount)
);
CREATE UNIQUE INDEX recorded_payments_online_key ON recorded_payments (online_payment_id) WHERE online_payment_id IS NOT NULL;
CREATE UNIQUE INDEX recorded_payments_receipt_key ON recorded_payments (organization_id, receipt_number) WHERE receipt_number IS NOT NULL;
CREATE INDEX recorded_payments_invoice_idx ON recorded_payments (organization_id, invoice_id);
CREATE INDEX recorded_payments_list_idx ON recorded_payments (organization_id, payment_date DESC) WHERE voided_at IS NULL;

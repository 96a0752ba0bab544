-- One look at a provider's day, or at our own books (provider 'ledger').
CREATE TABLE reconciliation_runs (
    id uuid PRIMARY KEY,
    provider text NOT NULL,
    day date NOT NULL,
    source text NOT NULL CHECK (source IN ('list', 'status', 'books')),
    outcome text NOT NULL CHECK (outcome IN ('clean', 'exceptions', 'unanswered')),
    lines bigint NOT NULL DEFAULT 0,
    matched bigint NOT NULL DEFAULT 0,
    exceptions bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);
CREATE INDEX reconciliation_runs_day ON reconciliation_runs (day, provider, finished_at DESC);

-- What differs between provider, payments and ledger, until a person has resolved it.
CREATE TABLE reconciliation_exceptions (
    id uuid PRIMARY KEY,
    organization_id uuid,
    provider text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    payment_id uuid REFERENCES payments (id),
    day date NOT NULL,
    currency text,
    expected bigint,
    found bigint,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resolved')),
    action text,
    reason text,
    resolved_by uuid,
    resolved_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    CONSTRAINT reconciliation_resolved CHECK ((status = 'resolved') = (action IS NOT NULL AND reason IS NOT NULL AND resolved_at IS NOT NULL))
);
CREATE UNIQUE INDEX reconciliation_exceptions_open ON reconciliation_exceptions (kind, subject) WHERE status = 'open';
CREATE INDEX reconciliation_exceptions_subject ON reconciliation_exceptions (kind, subject);
CREATE INDEX reconciliation_exceptions_organization_id ON reconciliation_exceptions (organization_id, status, created_at DESC);
CREATE INDEX reconciliation_exceptions_day ON reconciliation_exceptions (day, provider);
CREATE INDEX reconciliation_exceptions_payment_id ON reconciliation_exceptions (payment_id);

-- Money that a provider paid out to the clinic's bank.
CREATE TABLE payouts (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    provider text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    bank_reference text NOT NULL,
    transfer_id uuid NOT NULL REFERENCES ledger_transfers (id),
    recorded_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT payouts_bank_reference UNIQUE (organization_id, provider, bank_reference),
    CONSTRAINT payouts_transfer UNIQUE (transfer_id)
);
CREATE INDEX payouts_organization_id ON payouts (organization_id, created_at DESC);
CREATE INDEX payments_completed_at ON payments (provider, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX payments_provider ON payments (provider, created_at);

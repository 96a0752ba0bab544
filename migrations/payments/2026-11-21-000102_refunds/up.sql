-- What went back of a payment, and what is on its way back: together never more than was paid.
ALTER TABLE payments
    ADD COLUMN refunded_amount bigint NOT NULL DEFAULT 0 CHECK (refunded_amount >= 0),
    ADD COLUMN refund_reserved bigint NOT NULL DEFAULT 0 CHECK (refund_reserved >= 0),
    ADD COLUMN client_ip text,
    ADD CONSTRAINT payments_refund_ceiling CHECK (refunded_amount + refund_reserved <= amount),
    ADD CONSTRAINT payments_refunded CHECK ((status IN ('partially_refunded', 'refunded')) = (refunded_amount > 0)),
    ADD CONSTRAINT payments_refunded_whole CHECK ((status = 'refunded') = (refunded_amount = amount));
CREATE INDEX payments_client_ip ON payments (client_ip, created_at DESC) WHERE client_ip IS NOT NULL;
CREATE INDEX payments_status ON payments (organization_id, status, created_at DESC);
CREATE INDEX payments_tracking_code ON payments (organization_id, tracking_code) WHERE tracking_code IS NOT NULL;

CREATE TABLE refunds (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments (id),
    organization_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL,
    method text NOT NULL CHECK (method IN ('provider', 'wallet', 'manual')),
    status text NOT NULL CHECK (status IN ('awaiting_approval', 'processing', 'succeeded', 'failed', 'rejected')),
    reason text NOT NULL,
    requested_by uuid NOT NULL,
    decided_by uuid,
    decision_reason text,
    provider text NOT NULL,
    provider_reference text,
    failure_reason text,
    hold_transfer_id uuid NOT NULL REFERENCES ledger_transfers (id),
    transfer_id uuid REFERENCES ledger_transfers (id),
    next_check_at timestamptz,
    checks integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    CONSTRAINT refunds_second_person CHECK (decided_by IS NULL OR decided_by <> requested_by),
    CONSTRAINT refunds_transfer UNIQUE (hold_transfer_id),
    CONSTRAINT refunds_provider_reference UNIQUE (provider, provider_reference),
    CONSTRAINT refunds_succeeded CHECK ((status = 'succeeded') = (transfer_id IS NOT NULL AND completed_at IS NOT NULL))
);
CREATE INDEX refunds_payment_id ON refunds (payment_id, created_at);
CREATE INDEX refunds_organization_id ON refunds (organization_id, created_at DESC);
CREATE INDEX refunds_transfer_id ON refunds (transfer_id);
CREATE INDEX refunds_next_check_at ON refunds (next_check_at) WHERE next_check_at IS NOT NULL;

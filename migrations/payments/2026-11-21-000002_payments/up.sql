CREATE TABLE payments (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    payer_id uuid,
    purpose text NOT NULL CHECK (purpose IN ('invoice', 'wallet_charge', 'soapify', 'service')),
    status text NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired', 'partially_refunded', 'refunded')),
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL CHECK (currency IN ('IRR', 'XOF', 'EUR', 'USD')),
    invoice_id uuid,
    soapify_user_id text,
    description text NOT NULL DEFAULT '',
    provider text NOT NULL,
    provider_reference text,
    hints text[] NOT NULL DEFAULT '{}' CHECK (cardinality(hints) <= 5),
    tracking_code text,
    payment_url text,
    return_url text,
    version bigint NOT NULL DEFAULT 1,
    failure_reason text,
    review_reason text,
    request_subject text,
    request_route text,
    request_key text,
    request_hash bytea,
    next_check_at timestamptz,
    checks integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    completed_at timestamptz,
    CONSTRAINT payments_provider_reference UNIQUE (provider, provider_reference),
    CONSTRAINT payments_request UNIQUE (request_subject, request_route, request_key),
    CONSTRAINT payments_invoice CHECK ((purpose = 'invoice') = (invoice_id IS NOT NULL)),
    CONSTRAINT payments_soapify CHECK ((purpose = 'soapify') = (soapify_user_id IS NOT NULL)),
    CONSTRAINT payments_completed CHECK ((status IN ('completed', 'partially_refunded', 'refunded')) = (completed_at IS NOT NULL))
);
CREATE INDEX payments_payer_id ON payments (payer_id, created_at DESC);
CREATE INDEX payments_organization_id ON payments (organization_id, created_at DESC);
CREATE INDEX payments_invoice_id ON payments (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX payments_next_check_at ON payments (next_check_at) WHERE next_check_at IS NOT NULL;

-- What happened to a payment, in the order it happened.
CREATE TABLE payment_logs (
    id uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments (id),
    kind text NOT NULL CHECK (kind IN ('request', 'callback', 'verification', 'user_fetch', 'error')),
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL
);
CREATE INDEX payment_logs_payment_id ON payment_logs (payment_id, created_at);

-- Webhooks of payment providers, as integrations authenticated them.
CREATE TABLE provider_events (
    webhook_event_id uuid PRIMARY KEY,
    provider text NOT NULL,
    event_type text NOT NULL,
    payment_id uuid REFERENCES payments (id),
    provider_reference text,
    order_reference text,
    received_at timestamptz NOT NULL
);
CREATE INDEX provider_events_payment_id ON provider_events (payment_id);

-- The copy of auth-otp's users that lists of payments need.
CREATE TABLE people (
    user_id uuid PRIMARY KEY,
    phone text,
    full_name text NOT NULL,
    updated_at timestamptz NOT NULL
);

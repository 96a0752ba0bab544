-- A wallet that falls below its threshold is charged by itself: a payment is opened and its owner told.
CREATE TABLE wallet_top_ups (
    organization_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    currency text NOT NULL,
    threshold bigint NOT NULL CHECK (threshold > 0),
    amount bigint NOT NULL CHECK (amount > 0),
    payment_id uuid REFERENCES payments (id),
    checked_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, owner_id, currency)
);
CREATE INDEX wallet_top_ups_payment_id ON wallet_top_ups (payment_id);

-- What clients of django-chelseru gave with a payment and get back.
CREATE TABLE chelseru_payments (
    payment_id uuid PRIMARY KEY REFERENCES payments (id),
    order_id text,
    amount bigint NOT NULL,
    currency text NOT NULL CHECK (currency IN ('IRT', 'IRR')),
    pay_mode smallint NOT NULL CHECK (pay_mode IN (1, 2)),
    callback_url text,
    frontend_callback_url text,
    created_at timestamptz NOT NULL
);
CREATE INDEX payments_reference ON payments (provider_reference) WHERE provider_reference IS NOT NULL;

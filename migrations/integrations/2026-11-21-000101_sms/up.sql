-- How a provider works: which country codes it carries, what a segment costs, how a generic HTTP provider is asked.
ALTER TABLE providers ADD COLUMN settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object');

-- Vendors that sign nothing post receipts and inbound texts to an address that holds this secret.
CREATE TABLE sms_callbacks (
    provider_id uuid PRIMARY KEY REFERENCES providers (id) ON DELETE CASCADE,
    secret_sealed text NOT NULL,
    created_at timestamptz NOT NULL
);

ALTER TABLE messages
    -- GSM-7 160/153, UCS-2 70/67.
    ADD COLUMN segments integer NOT NULL DEFAULT 1 CHECK (segments BETWEEN 1 AND 255),
    ADD COLUMN cost_currency text CHECK (cost_currency IN ('IRR', 'IRT', 'XOF', 'EUR', 'USD')),
    -- Texts of one bulk request.
    ADD COLUMN batch_id uuid,
    -- Providers that took it and did not deliver it; they are not tried again.
    ADD COLUMN failed_providers text[] NOT NULL DEFAULT '{}';
UPDATE messages SET cost_currency = 'IRR' WHERE cost_amount IS NOT NULL;
CREATE INDEX messages_batch_id ON messages (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX messages_state ON messages (organization_id, state, created_at DESC);
CREATE INDEX messages_recipient ON messages (organization_id, recipient_masked, created_at DESC);

ALTER TABLE message_attempts DROP CONSTRAINT message_attempts_outcome_check;
ALTER TABLE message_attempts ADD CONSTRAINT message_attempts_outcome_check
    CHECK (outcome IN ('accepted', 'refused', 'unknown', 'undelivered'));

-- One entry per language; '' serves every language that has none of its own. E-mail has a subject and an HTML part too.
ALTER TABLE message_templates
    ADD COLUMN language text NOT NULL DEFAULT '' CHECK (language IN ('', 'fa', 'fr', 'en')),
    ADD COLUMN subject text,
    ADD COLUMN html text,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    DROP CONSTRAINT message_templates_key;
ALTER TABLE message_templates ADD CONSTRAINT message_templates_key
    UNIQUE NULLS NOT DISTINCT (organization_id, key, provider_slug, language);
CREATE INDEX message_templates_by_key ON message_templates (key, organization_id);

-- Who wrote STOP gets only what is urgent. The number stays readable: it must be compared, shown masked and erased.
CREATE TABLE sms_opt_outs (
    phone text PRIMARY KEY CHECK (phone ~ '^\+[0-9]{8,15}$'),
    source text NOT NULL,
    opted_out_at timestamptz NOT NULL
);

-- What receivers wrote: which word of ours it was, never the text. The vendor's id makes a repeated post harmless.
CREATE TABLE sms_inbound (
    id uuid PRIMARY KEY,
    provider_id uuid NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    dedupe_key text NOT NULL,
    sender_masked text NOT NULL,
    word text NOT NULL CHECK (word IN ('stop', 'start', 'help', 'other')),
    received_at timestamptz NOT NULL,
    CONSTRAINT sms_inbound_key UNIQUE (provider_id, dedupe_key)
);
CREATE INDEX sms_inbound_newest ON sms_inbound (received_at);

-- When an organisation's patients sleep, and how much it may send.
CREATE TABLE sms_settings (
    organization_id uuid PRIMARY KEY,
    time_zone text NOT NULL,
    quiet_from time,
    quiet_until time,
    -- Segments of texts that are not urgent within a calendar month (UTC); NULL: the platform's own limit.
    monthly_segments bigint CHECK (monthly_segments >= 0),
    version bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL,
    CONSTRAINT sms_settings_quiet CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
);

-- What an organisation sent in a month.
CREATE TABLE sms_usage (
    organization_id uuid NOT NULL,
    month date NOT NULL,
    messages bigint NOT NULL DEFAULT 0,
    segments bigint NOT NULL DEFAULT 0,
    -- Those that count against the limit.
    limited_segments bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, month)
);

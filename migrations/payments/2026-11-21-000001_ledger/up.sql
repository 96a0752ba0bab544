-- Double-entry ledger. A balance is the sum of its account's entries; credits are positive, so what
-- others owe us (clearing, tills) stands below zero and what we owe (wallets, payables) above it.
CREATE TABLE ledger_accounts (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    code text NOT NULL CHECK (code ~ '^[a-z][a-z0-9_:-]{0,62}$'),
    owner_id uuid,
    currency text NOT NULL CHECK (currency IN ('IRR', 'XOF', 'EUR', 'USD')),
    balance bigint NOT NULL DEFAULT 0,
    floor bigint,
    created_at timestamptz NOT NULL,
    CONSTRAINT ledger_accounts_identity UNIQUE NULLS NOT DISTINCT (organization_id, code, owner_id, currency),
    CONSTRAINT ledger_accounts_id_currency UNIQUE (id, currency),
    CONSTRAINT ledger_accounts_floor CHECK (floor IS NULL OR balance >= floor),
    CONSTRAINT ledger_accounts_wallet CHECK (code <> 'wallet' OR (floor IS NOT DISTINCT FROM 0 AND owner_id IS NOT NULL))
);

CREATE TABLE ledger_transfers (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT ledger_transfers_reference UNIQUE (kind, reference)
);
CREATE INDEX ledger_transfers_organization_id ON ledger_transfers (organization_id, created_at);

CREATE TABLE ledger_entries (
    id uuid PRIMARY KEY,
    transfer_id uuid NOT NULL REFERENCES ledger_transfers (id),
    account_id uuid NOT NULL,
    amount bigint NOT NULL CONSTRAINT ledger_entries_amount CHECK (amount <> 0),
    currency text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT ledger_entries_account FOREIGN KEY (account_id, currency) REFERENCES ledger_accounts (id, currency)
);
CREATE INDEX ledger_entries_transfer_id ON ledger_entries (transfer_id);
CREATE INDEX ledger_entries_account_id ON ledger_entries (account_id, created_at);

-- Accounts open empty: money comes only by entries.
CREATE FUNCTION ledger_open_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.balance := 0;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_accounts_open BEFORE INSERT ON ledger_accounts
    FOR EACH ROW EXECUTE FUNCTION ledger_open_account();

-- The balance moves with the entry. Runs as the owner: the service's role may not write balances.
CREATE FUNCTION ledger_apply_entry() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM 1 FROM ledger_transfers WHERE id = NEW.transfer_id AND written_by = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entries belong to the transaction of their transfer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_closed_transfer';
    END IF;
    UPDATE ledger_accounts SET balance = balance + NEW.amount WHERE id = NEW.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_apply AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_apply_entry();

-- Every transfer has at least two entries and sums to zero per currency, checked at commit.
CREATE FUNCTION ledger_check_transfer() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    checked uuid;
    entries bigint;
    unbalanced bigint;
BEGIN
    IF TG_TABLE_NAME = 'ledger_transfers' THEN
        checked := NEW.id;
    ELSE
        checked := NEW.transfer_id;
    END IF;
    SELECT count(*) INTO entries FROM ledger_entries WHERE transfer_id = checked;
    IF entries < 2 THEN
        RAISE EXCEPTION 'transfer % has % entries', checked, entries
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_two_entries';
    END IF;
    SELECT count(*) INTO unbalanced FROM (
        SELECT 1 FROM ledger_entries WHERE transfer_id = checked
        GROUP BY currency HAVING sum(amount) <> 0
    ) AS sums;
    IF unbalanced > 0 THEN
        RAISE EXCEPTION 'transfer % does not sum to zero', checked
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_zero_sum';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_transfers_zero_sum AFTER INSERT ON ledger_transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer();
-- Also by the entries, or one could be added after the transfer was checked early.
CREATE CONSTRAINT TRIGGER ledger_entries_zero_sum AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer();

-- Payments recorded by portal, as they stand in the ledger.
CREATE TABLE bookings (
    recorded_payment_id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    version bigint NOT NULL,
    transfer_id uuid REFERENCES ledger_transfers (id),
    updated_at timestamptz NOT NULL
);
CREATE INDEX bookings_transfer_id ON bookings (transfer_id);

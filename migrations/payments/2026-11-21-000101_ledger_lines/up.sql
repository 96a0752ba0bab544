-- Each entry knows its line in the account and the balance after it; accounts that every settlement of an
-- organisation touches are kept in shards, so that settlements do not wait for each other.
ALTER TABLE ledger_accounts
    ADD COLUMN lines bigint NOT NULL DEFAULT 0 CHECK (lines >= 0),
    ADD COLUMN shard smallint NOT NULL DEFAULT 0 CHECK (shard BETWEEN 0 AND 63),
    DROP CONSTRAINT ledger_accounts_identity,
    ADD CONSTRAINT ledger_accounts_identity UNIQUE NULLS NOT DISTINCT (organization_id, code, owner_id, currency, shard),
    -- A floor is a promise about the whole balance: such an account has one row.
    ADD CONSTRAINT ledger_accounts_shard CHECK (shard = 0 OR floor IS NULL);

ALTER TABLE ledger_entries
    ADD COLUMN line bigint,
    ADD COLUMN balance_after bigint;
UPDATE ledger_entries AS e SET line = n.line, balance_after = n.balance_after FROM (
    SELECT id, row_number() OVER past AS line, sum(amount) OVER past AS balance_after FROM ledger_entries
    WINDOW past AS (PARTITION BY account_id ORDER BY created_at, id)
) AS n WHERE n.id = e.id;
UPDATE ledger_accounts AS a SET lines = (SELECT count(*) FROM ledger_entries AS e WHERE e.account_id = a.id);
ALTER TABLE ledger_entries
    ALTER COLUMN line SET NOT NULL,
    ALTER COLUMN balance_after SET NOT NULL,
    ADD CONSTRAINT ledger_entries_line UNIQUE (account_id, line);

-- Accounts open empty: money comes only by entries.
CREATE OR REPLACE FUNCTION ledger_open_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.balance := 0;
    NEW.lines := 0;
    RETURN NEW;
END $$;

-- The balance moves with the entry, under the account's row lock, which also gives the entry its line.
-- Runs as the owner: the service's role may not write balances.
CREATE OR REPLACE FUNCTION ledger_apply_entry() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM 1 FROM ledger_transfers WHERE id = NEW.transfer_id AND written_by = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entries belong to the transaction of their transfer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_closed_transfer';
    END IF;
    UPDATE ledger_accounts SET balance = balance + NEW.amount, lines = lines + 1 WHERE id = NEW.account_id
        RETURNING balance, lines INTO NEW.balance_after, NEW.line;
    RETURN NEW;
END $$;
DROP TRIGGER ledger_entries_apply ON ledger_entries;
CREATE TRIGGER ledger_entries_apply BEFORE INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_apply_entry();

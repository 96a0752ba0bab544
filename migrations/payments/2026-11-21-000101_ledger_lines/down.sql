DROP TRIGGER ledger_entries_apply ON ledger_entries;
CREATE OR REPLACE FUNCTION ledger_apply_entry() RETURNS trigger LANGUAGE plpgsql
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
CREATE OR REPLACE FUNCTION ledger_open_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.balance := 0;
    RETURN NEW;
END $$;
ALTER TABLE ledger_entries DROP COLUMN line, DROP COLUMN balance_after;
ALTER TABLE ledger_accounts
    DROP CONSTRAINT ledger_accounts_shard,
    DROP CONSTRAINT ledger_accounts_identity,
    DROP COLUMN lines,
    DROP COLUMN shard,
    ADD CONSTRAINT ledger_accounts_identity UNIQUE NULLS NOT DISTINCT (organization_id, code, owner_id, currency);

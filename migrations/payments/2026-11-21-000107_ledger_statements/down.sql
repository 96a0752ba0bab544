DROP TRIGGER ledger_entries_check ON ledger_entries;
DROP FUNCTION ledger_check_entries();

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

CREATE CONSTRAINT TRIGGER ledger_entries_zero_sum AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer();

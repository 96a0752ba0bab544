-- The legs of a transfer are written by one statement, and each statement is checked as a whole: that its transfers
-- are of this transaction and that what it adds to each sums to zero. A transfer is looked at once more at commit.
DROP TRIGGER ledger_entries_zero_sum ON ledger_entries;

CREATE OR REPLACE FUNCTION ledger_apply_entry() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE ledger_accounts SET balance = balance + NEW.amount, lines = lines + 1 WHERE id = NEW.account_id
        RETURNING balance, lines INTO NEW.balance_after, NEW.line;
    RETURN NEW;
END $$;

CREATE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    closed boolean;
    unbalanced boolean;
BEGIN
    SELECT bool_or(own IS NULL), bool_or(total <> 0) INTO closed, unbalanced FROM (
        SELECT sum(w.amount) AS total, (
            SELECT t.id FROM ledger_transfers t WHERE t.id = w.transfer_id AND t.written_by = pg_current_xact_id()
        ) AS own FROM written w GROUP BY w.transfer_id, w.currency
    ) AS sums;
    IF closed THEN
        RAISE EXCEPTION 'entries belong to the transaction of their transfer'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_closed_transfer';
    END IF;
    IF unbalanced THEN
        RAISE EXCEPTION 'the entries of a transfer do not sum to zero'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_zero_sum';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entries_check AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_entries();

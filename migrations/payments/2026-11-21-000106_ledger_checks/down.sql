CREATE OR REPLACE FUNCTION ledger_check_transfer() RETURNS trigger LANGUAGE plpgsql
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

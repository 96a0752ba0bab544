-- The same check in one look at the entries instead of two.
CREATE OR REPLACE FUNCTION ledger_check_transfer() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    checked uuid;
    counted bigint;
    unbalanced bigint;
BEGIN
    IF TG_TABLE_NAME = 'ledger_transfers' THEN
        checked := NEW.id;
    ELSE
        checked := NEW.transfer_id;
    END IF;
    SELECT coalesce(sum(sums.entries), 0), count(*) FILTER (WHERE sums.total <> 0) INTO counted, unbalanced FROM (
        SELECT count(*) AS entries, sum(amount) AS total FROM ledger_entries WHERE transfer_id = checked GROUP BY currency
    ) AS sums;
    IF counted < 2 THEN
        RAISE EXCEPTION 'transfer % has % entries', checked, counted
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_two_entries';
    END IF;
    IF unbalanced > 0 THEN
        RAISE EXCEPTION 'transfer % does not sum to zero', checked
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_transfers_zero_sum';
    END IF;
    RETURN NULL;
END $$;

DROP TABLE bookings;
DROP TABLE ledger_entries;
DROP TABLE ledger_transfers;
DROP TABLE ledger_accounts;
DROP FUNCTION ledger_check_transfer();
DROP FUNCTION ledger_apply_entry();
DROP FUNCTION ledger_open_account();

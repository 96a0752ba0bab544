ALTER TABLE providers DROP COLUMN low_balance_since;

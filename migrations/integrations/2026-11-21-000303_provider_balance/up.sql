-- Since when a provider's account holds less than its settings' balance_alarm.
ALTER TABLE providers ADD COLUMN low_balance_since timestamptz;

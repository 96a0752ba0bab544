DROP TABLE login_challenges;
DROP TABLE recovery_codes;
DROP TABLE second_factors;
DROP TABLE account_alerts;
DROP TABLE known_devices;
ALTER TABLE users DROP COLUMN phone_changed_at;
ALTER TABLE sessions
    DROP COLUMN second_factor_at,
    DROP COLUMN stepped_up_at,
    DROP COLUMN opened_by,
    DROP COLUMN carrier;

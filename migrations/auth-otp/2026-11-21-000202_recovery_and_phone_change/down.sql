DROP INDEX api_keys_created_at;
ALTER TABLE api_keys
    DROP COLUMN replaced_by,
    DROP COLUMN created_by;
DROP TABLE phone_changes;
DROP TABLE account_recoveries;

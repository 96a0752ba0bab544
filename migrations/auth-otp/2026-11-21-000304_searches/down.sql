DROP INDEX phone_failures_failed_at;
DROP INDEX invitations_search;
DROP INDEX api_keys_created_at;
CREATE INDEX api_keys_created_at ON api_keys (created_at);
DROP INDEX api_keys_last_used_at;
DROP INDEX api_keys_name;
DROP INDEX api_keys_search;

-- Lists of partners' keys and of invitations search inside a text; keys are also sorted by name and by last use. The sweep of
-- wrong codes reads by their time.
CREATE INDEX api_keys_search ON api_keys USING gin (name gin_trgm_ops);
CREATE INDEX api_keys_name ON api_keys (name, id);
CREATE INDEX api_keys_last_used_at ON api_keys (last_used_at NULLS FIRST, id);
DROP INDEX api_keys_created_at;
CREATE INDEX api_keys_created_at ON api_keys (created_at, id);
CREATE INDEX invitations_search ON invitations USING gin (phone gin_trgm_ops);
CREATE INDEX phone_failures_failed_at ON phone_failures (failed_at);

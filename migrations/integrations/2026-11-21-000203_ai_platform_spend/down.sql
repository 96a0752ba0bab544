DELETE FROM usage_counters WHERE scope = 'platform';
ALTER TABLE usage_counters
    DROP CONSTRAINT usage_counters_scope_check,
    ADD CONSTRAINT usage_counters_scope_check CHECK (scope IN ('user', 'workspace', 'organization'));

-- All AI calls together are counted too, for the bound on a day's cost.
ALTER TABLE usage_counters
    DROP CONSTRAINT usage_counters_scope_check,
    ADD CONSTRAINT usage_counters_scope_check CHECK (scope IN ('user', 'workspace', 'organization', 'platform'));

DROP TABLE ai_calls;
DROP TABLE usage_counters;
DROP TABLE usage_limits;

DROP TABLE usage_limits;
DROP TABLE usage_logs;

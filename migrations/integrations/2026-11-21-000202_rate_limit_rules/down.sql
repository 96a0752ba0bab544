DROP TABLE rate_limit_rules;

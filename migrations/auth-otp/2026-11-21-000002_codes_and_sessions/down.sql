DROP TABLE revocations;
DROP TABLE sessions;
DROP TABLE phone_failures;
DROP TABLE send_counters;
DROP TABLE code_cooldowns;
DROP TABLE one_time_codes;

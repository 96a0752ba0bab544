DROP TABLE spent_challenges;
DROP TABLE blocked_sources;
DROP TABLE shield_switches;
ALTER TABLE one_time_codes DROP COLUMN delivery;
ALTER TABLE one_time_codes DROP COLUMN called_at;
DROP TABLE phone_sends;
DELETE FROM send_counters WHERE sent > 2147483647;
ALTER TABLE send_counters ALTER COLUMN sent TYPE integer;

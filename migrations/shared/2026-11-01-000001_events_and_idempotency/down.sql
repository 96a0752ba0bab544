DROP TABLE idempotency_keys;
DROP TABLE dead_letters;
DROP TABLE aggregate_versions;
DROP TABLE inbox_events;
DROP TABLE outbox_events;

DROP TABLE sms_usage;
DROP TABLE sms_settings;
DROP TABLE sms_inbound;
DROP TABLE sms_opt_outs;

DELETE FROM message_templates WHERE language <> '';
DROP INDEX message_templates_by_key;
ALTER TABLE message_templates
    DROP CONSTRAINT message_templates_key,
    DROP COLUMN version,
    DROP COLUMN html,
    DROP COLUMN subject,
    DROP COLUMN language;
ALTER TABLE message_templates ADD CONSTRAINT message_templates_key
    UNIQUE NULLS NOT DISTINCT (organization_id, key, provider_slug);

DELETE FROM message_attempts WHERE outcome = 'undelivered';
ALTER TABLE message_attempts DROP CONSTRAINT message_attempts_outcome_check;
ALTER TABLE message_attempts ADD CONSTRAINT message_attempts_outcome_check
    CHECK (outcome IN ('accepted', 'refused', 'unknown'));

DROP INDEX messages_recipient;
DROP INDEX messages_state;
DROP INDEX messages_batch_id;
ALTER TABLE messages
    DROP COLUMN failed_providers,
    DROP COLUMN batch_id,
    DROP COLUMN cost_currency,
    DROP COLUMN segments;

DROP TABLE sms_callbacks;
ALTER TABLE providers DROP COLUMN settings;

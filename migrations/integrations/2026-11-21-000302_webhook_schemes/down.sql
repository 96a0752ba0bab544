DROP INDEX webhook_events_by_organization;
DROP INDEX webhook_events_by_endpoint;
ALTER TABLE webhook_events DROP COLUMN retry_at;
DROP INDEX webhook_endpoints_organization_id;
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_previous_secret,
    DROP COLUMN previous_secret_until,
    DROP COLUMN previous_secret_sealed,
    DROP COLUMN tolerance_seconds,
    DROP COLUMN scheme_options,
    DROP COLUMN scheme;

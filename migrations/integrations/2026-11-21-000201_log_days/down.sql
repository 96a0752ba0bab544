ALTER TABLE integration_logs RENAME TO integration_logs_by_day;
ALTER INDEX integration_logs_newest RENAME TO integration_logs_by_day_newest;
ALTER INDEX integration_logs_provider_id RENAME TO integration_logs_by_day_provider_id;
ALTER INDEX integration_logs_pkey RENAME TO integration_logs_by_day_pkey;

CREATE TABLE integration_logs (
    id uuid PRIMARY KEY,
    provider_id uuid REFERENCES providers (id),
    organization_id uuid,
    log_level text NOT NULL CHECK (log_level IN ('debug', 'info', 'warning', 'error', 'critical')),
    service_name text NOT NULL,
    action text NOT NULL,
    request_data jsonb NOT NULL DEFAULT '{}',
    response_data jsonb NOT NULL DEFAULT '{}',
    error_message text NOT NULL DEFAULT '',
    status_code integer,
    duration_ms integer,
    user_id uuid,
    user_name text NOT NULL DEFAULT '',
    ip_address text,
    created_at timestamptz NOT NULL
);
CREATE INDEX integration_logs_newest ON integration_logs (created_at DESC, id DESC);
CREATE INDEX integration_logs_provider_id ON integration_logs (provider_id, created_at DESC);

INSERT INTO integration_logs
SELECT id, provider_id, organization_id, log_level, service_name, action, request_data, response_data,
    error_message, status_code, duration_ms, user_id, user_name, ip_address, created_at
FROM integration_logs_by_day;
DROP TABLE integration_logs_by_day;
DROP FUNCTION make_log_days(date, date);
DROP FUNCTION drop_log_days(date);

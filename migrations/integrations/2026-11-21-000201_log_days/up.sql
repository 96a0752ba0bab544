-- The log by day (UTC), so that forgetting a day is dropping a table.
ALTER TABLE integration_logs RENAME TO integration_logs_before;
ALTER INDEX integration_logs_pkey RENAME TO integration_logs_before_pkey;
ALTER INDEX integration_logs_newest RENAME TO integration_logs_before_newest;
ALTER INDEX integration_logs_provider_id RENAME TO integration_logs_before_provider_id;

CREATE TABLE integration_logs (
    id uuid NOT NULL,
    provider_id uuid REFERENCES providers (id),
    organization_id uuid,
    log_level text NOT NULL CHECK (log_level IN ('debug', 'info', 'warning', 'error', 'critical')),
    service_name text NOT NULL,
    action text NOT NULL,
    -- The route that was called, without a final slash; empty for jobs and internal calls.
    endpoint text NOT NULL DEFAULT '',
    request_data jsonb NOT NULL DEFAULT '{}',
    response_data jsonb NOT NULL DEFAULT '{}',
    error_message text NOT NULL DEFAULT '',
    status_code integer,
    duration_ms integer,
    -- What the call cost, in the smallest unit of its currency (IRR, or USD_MICROS: millionths of a US dollar).
    cost_amount bigint,
    cost_currency text,
    user_id uuid,
    user_name text NOT NULL DEFAULT '',
    ip_address text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX integration_logs_newest ON integration_logs (created_at DESC, id DESC);
CREATE INDEX integration_logs_provider_id ON integration_logs (provider_id, created_at DESC);
CREATE INDEX integration_logs_organization_id ON integration_logs (organization_id, created_at DESC);
CREATE INDEX integration_logs_failed ON integration_logs (created_at DESC) WHERE log_level IN ('warning', 'error', 'critical');

-- Rows of days that were not made; they move when their day is made.
CREATE TABLE integration_logs_other PARTITION OF integration_logs DEFAULT;

-- Makes the days from `first` to `last` that are missing; answers how many.
CREATE FUNCTION make_log_days(first date, last date) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    day date := first;
    part text;
    begins timestamptz;
    ends timestamptz;
    made integer := 0;
BEGIN
    IF last - first > 400 THEN
        RAISE EXCEPTION 'too many days';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('integrations.log_days'));
    WHILE day <= last LOOP
        part := 'integration_logs_' || to_char(day, 'YYYYMMDD');
        IF to_regclass('public.' || part) IS NULL THEN
            begins := day::timestamp AT TIME ZONE 'UTC';
            ends := (day + 1)::timestamp AT TIME ZONE 'UTC';
            EXECUTE format('CREATE TABLE public.%I (LIKE public.integration_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part);
            EXECUTE format('WITH moved AS (DELETE FROM public.integration_logs_other WHERE created_at >= %L AND created_at < %L '
                'RETURNING *) INSERT INTO public.%I SELECT * FROM moved', begins, ends, part);
            EXECUTE format('ALTER TABLE public.integration_logs ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                part, begins, ends);
            made := made + 1;
        END IF;
        day := day + 1;
    END LOOP;
    RETURN made;
END $$;

-- Drops the days before `oldest`, and what lies in the catch-all from before; answers how many days.
CREATE FUNCTION drop_log_days(oldest date) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    part text;
    dropped integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('integrations.log_days'));
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.integration_logs'::regclass AND c.relname ~ '^integration_logs_[0-9]{8}$'
            AND to_date(right(c.relname, 8), 'YYYYMMDD') < oldest
    LOOP
        EXECUTE format('DROP TABLE public.%I', part);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM public.integration_logs_other WHERE created_at < oldest::timestamp AT TIME ZONE 'UTC';
    RETURN dropped;
END $$;

SELECT make_log_days(
    coalesce((SELECT greatest(min(created_at), now() - interval '31 days') FROM integration_logs_before), now())::date,
    now()::date + 3);
INSERT INTO integration_logs (id, provider_id, organization_id, log_level, service_name, action, request_data, response_data,
    error_message, status_code, duration_ms, user_id, user_name, ip_address, created_at)
SELECT id, provider_id, organization_id, log_level, service_name, action, request_data, response_data,
    error_message, status_code, duration_ms, user_id, user_name, ip_address, created_at
FROM integration_logs_before;
DROP TABLE integration_logs_before;

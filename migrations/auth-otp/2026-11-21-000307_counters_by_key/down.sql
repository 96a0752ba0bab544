CREATE OR REPLACE FUNCTION charge_send(
    to_phone text, this_moment timestamptz, per_hour bigint, per_day bigint,
    hour_start timestamptz, scopes text[], limits bigint[]
) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    stamps timestamptz[];
    recent timestamptz[];
    counted bigint;
BEGIN
    SELECT p.sent_at INTO stamps FROM phone_sends p WHERE p.phone = to_phone;
    IF stamps IS NOT NULL THEN
        SELECT array_agg(t ORDER BY t) INTO recent FROM unnest(stamps) t WHERE t > this_moment - interval '1 day';
        IF cardinality(recent) >= per_day THEN
            RETURN recent[cardinality(recent) - per_day + 1] + interval '1 day';
        END IF;
        SELECT array_agg(t ORDER BY t) INTO recent FROM unnest(stamps) t WHERE t > this_moment - interval '1 hour';
        IF cardinality(recent) >= per_hour THEN
            RETURN recent[cardinality(recent) - per_hour + 1] + interval '1 hour';
        END IF;
    END IF;
    IF EXISTS (
        SELECT 1 FROM unnest(scopes, limits) AS b (scope, most)
        JOIN send_counters s ON s.scope = b.scope AND s.window_start = hour_start
        WHERE s.sent >= b.most
    ) THEN
        RETURN hour_start + interval '1 hour';
    END IF;
    INSERT INTO phone_sends AS p (phone, sent_at, last_at) VALUES (to_phone, ARRAY[this_moment], this_moment)
    ON CONFLICT (phone) DO UPDATE
        SET last_at = this_moment,
            sent_at = ARRAY(SELECT t FROM unnest(p.sent_at) t WHERE t > this_moment - interval '1 day' ORDER BY t) || this_moment
        WHERE (SELECT count(*) FROM unnest(p.sent_at) t WHERE t > this_moment - interval '1 day') < per_day
          AND (SELECT count(*) FROM unnest(p.sent_at) t WHERE t > this_moment - interval '1 hour') < per_hour;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a budget was spent in parallel' USING ERRCODE = '40001';
    END IF;
    INSERT INTO send_counters AS k (scope, window_start, sent)
    SELECT b.scope, hour_start, 1 FROM unnest(scopes) WITH ORDINALITY AS b (scope, place) ORDER BY b.place
    ON CONFLICT (scope, window_start) DO UPDATE
        SET sent = k.sent + 1
        WHERE k.sent < limits[array_position(scopes, k.scope)];
    GET DIAGNOSTICS counted = ROW_COUNT;
    IF counted < cardinality(scopes) THEN
        RAISE EXCEPTION 'a budget was spent in parallel' USING ERRCODE = '40001';
    END IF;
    RETURN NULL;
END $$;

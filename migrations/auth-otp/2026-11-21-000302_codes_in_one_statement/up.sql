-- One round trip and one commit for each step of a code's life. Every refusal is answered before anything is written;
-- a budget that a parallel call spent in between ends the statement with 40001, and the caller asks again.

-- Takes one send of a phone (exact windows) and one of each hourly counter; NULL, or the time to try again.
CREATE FUNCTION charge_send(
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

-- Stores a code: `issued` with the codes it replaced, `needs_proof`, `too_soon` with the time of the last one, or
-- `throttled` with the time to try again.
CREATE FUNCTION issue_code(
    new_id uuid, for_purpose text, to_phone text, bound_to text, hash bytea, attempts_allowed integer,
    this_moment timestamptz, dies_at timestamptz, cooldown_since timestamptz, ceiling integer,
    per_hour bigint, per_day bigint, hour_start timestamptz, scopes text[], limits bigint[],
    event_id uuid, event jsonb, organization uuid, trace text
) RETURNS TABLE (outcome text, moment timestamptz, replaced uuid[]) LANGUAGE plpgsql AS $$
DECLARE
    last_at timestamptz;
    again_at timestamptz;
    closed uuid[];
BEGIN
    IF EXISTS (SELECT 1 FROM phone_failures f WHERE f.phone = to_phone AND f.failures >= ceiling) THEN
        RETURN QUERY SELECT 'needs_proof'::text, NULL::timestamptz, NULL::uuid[];
        RETURN;
    END IF;
    SELECT c.sent_at INTO last_at FROM code_cooldowns c
    WHERE c.purpose = for_purpose AND c.phone = to_phone AND c.binding = bound_to;
    IF last_at > cooldown_since THEN
        RETURN QUERY SELECT 'too_soon'::text, last_at, NULL::uuid[];
        RETURN;
    END IF;
    again_at := charge_send(to_phone, this_moment, per_hour, per_day, hour_start, scopes, limits);
    IF again_at IS NOT NULL THEN
        RETURN QUERY SELECT 'throttled'::text, again_at, NULL::uuid[];
        RETURN;
    END IF;
    INSERT INTO code_cooldowns AS c (purpose, phone, binding, code_id, sent_at)
    VALUES (for_purpose, to_phone, bound_to, new_id, this_moment)
    ON CONFLICT (purpose, phone, binding) DO UPDATE
        SET code_id = excluded.code_id, sent_at = excluded.sent_at
        WHERE c.sent_at <= cooldown_since;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a code was sent in parallel' USING ERRCODE = '40001';
    END IF;
    WITH older AS (
        UPDATE one_time_codes o SET spent_at = this_moment
        WHERE o.phone = to_phone AND o.purpose = for_purpose AND o.binding = bound_to
          AND o.used_at IS NULL AND o.spent_at IS NULL
        RETURNING o.id
    ) SELECT array_agg(older.id) INTO closed FROM older;
    INSERT INTO one_time_codes (id, purpose, phone, binding, code_hash, max_attempts, created_at, expires_at)
    VALUES (new_id, for_purpose, to_phone, bound_to, hash, attempts_allowed, this_moment, dies_at);
    INSERT INTO outbox_events
        (id, name, version, source, aggregate_id, aggregate_version, organization_id, payload, traceparent, occurred_at)
    VALUES (event_id, 'auth.code_issued', 1, 'auth-otp', new_id, 1, organization, event, trace, this_moment);
    RETURN QUERY SELECT 'issued'::text, this_moment, closed;
END $$;

-- Counts an attempt before anything is compared: `evaluate` with the hash and the attempts left, `needs_proof`,
-- `unknown`, `expired`, or `burned` for the first try after the last attempt.
CREATE FUNCTION attempt_code(
    for_purpose text, to_phone text, bound_to text, challenge uuid, this_moment timestamptz, ceiling integer
) RETURNS TABLE (outcome text, code_id uuid, hash bytea, left_over integer) LANGUAGE plpgsql AS $$
DECLARE
    found_id uuid;
    dies_at timestamptz;
BEGIN
    IF EXISTS (SELECT 1 FROM phone_failures f WHERE f.phone = to_phone AND f.failures >= ceiling) THEN
        RETURN QUERY SELECT 'needs_proof'::text, NULL::uuid, NULL::bytea, 0;
        RETURN;
    END IF;
    IF challenge IS NULL THEN
        SELECT o.id, o.expires_at INTO found_id, dies_at FROM one_time_codes o
        WHERE o.phone = to_phone AND o.purpose = for_purpose AND o.binding = bound_to
          AND o.used_at IS NULL AND o.spent_at IS NULL
        ORDER BY o.created_at DESC LIMIT 1;
    ELSE
        SELECT o.id, o.expires_at INTO found_id, dies_at FROM one_time_codes o
        WHERE o.id = challenge AND o.phone = to_phone AND o.purpose = for_purpose AND o.binding = bound_to
          AND o.used_at IS NULL AND o.spent_at IS NULL;
    END IF;
    IF found_id IS NULL THEN
        RETURN QUERY SELECT 'unknown'::text, NULL::uuid, NULL::bytea, 0;
        RETURN;
    END IF;
    IF dies_at <= this_moment THEN
        RETURN QUERY SELECT 'expired'::text, found_id, NULL::bytea, 0;
        RETURN;
    END IF;
    RETURN QUERY UPDATE one_time_codes o SET attempts = o.attempts + 1
        WHERE o.id = found_id AND o.attempts < o.max_attempts AND o.used_at IS NULL AND o.spent_at IS NULL
        RETURNING 'evaluate'::text, o.id, o.code_hash, o.max_attempts - o.attempts;
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE one_time_codes o SET spent_at = this_moment
    WHERE o.id = found_id AND o.attempts >= o.max_attempts AND o.used_at IS NULL AND o.spent_at IS NULL;
    RETURN QUERY SELECT CASE WHEN FOUND THEN 'burned' ELSE 'unknown' END::text, found_id, NULL::bytea, 0;
END $$;

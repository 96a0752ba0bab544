DROP FUNCTION log_in_by_code;

CREATE OR REPLACE FUNCTION attempt_code(
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

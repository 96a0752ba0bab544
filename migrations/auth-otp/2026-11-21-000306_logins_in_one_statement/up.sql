-- What a right code usually brings, in one statement and one commit: the person, the session, the device, the audit row and,
-- for somebody new, the event. `known` or `registered`; no row when the login is not a usual one, and then nothing was written:
-- the code was used already, the account is closed, a second factor is on, a personal organisation must be made, or the owner
-- must hear of a new device. 40001 when a parallel login made the person.
CREATE FUNCTION log_in_by_code(
    code uuid, for_purpose text, by_phone text, in_group integer, new_user uuid, speaks text, this_moment timestamptz,
    workshop boolean, new_session uuid, of_kind text, hash bytea, agent text, address text, on_device text, in_browser text,
    dies_at timestamptz, on_carrier text, print bytea, event_id uuid, trace text, audit_id uuid, request text
) RETURNS TABLE (outcome text, standings jsonb, session_place uuid, person users) LANGUAGE plpgsql AS $$
DECLARE
    someone users;
    word text := 'known';
    places jsonb := '[]';
    place uuid;
    has_factor boolean;
    device_seen_at timestamptz;
    has_devices boolean;
BEGIN
    SELECT u.* INTO someone FROM users u WHERE u.phone = by_phone;
    IF someone.id IS NULL THEN
        IF workshop THEN
            RETURN;
        END IF;
        word := 'registered';
    ELSE
        SELECT EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = someone.id AND f.confirmed_at IS NOT NULL),
            max(k.last_seen_at) FILTER (WHERE k.fingerprint = print), count(*) > 0
        INTO has_factor, device_seen_at, has_devices FROM known_devices k WHERE k.user_id = someone.id;
        -- `standings_of` as it stands, which cannot be inlined here. The session works where its token will say: Contexor's
        -- pages in the first place with a content role, all others in the first.
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                'membership_id', m.id, 'organization_id', m.organization_id, 'organization_number', o.number,
                'clinic_role', m.clinic_role, 'content_role', m.content_role
            ) ORDER BY o.is_personal, m.joined_at, m.number), '[]'),
            (array_agg(m.organization_id
                ORDER BY workshop AND m.content_role IS NULL, o.is_personal, m.joined_at, m.number))[1]
        INTO places, place
        FROM memberships m JOIN organizations o ON o.id = m.organization_id
        WHERE m.user_id = someone.id AND m.is_active AND o.is_active;
        IF NOT someone.is_active OR has_factor OR (workshop AND place IS NULL) OR (has_devices AND device_seen_at IS NULL) THEN
            RETURN;
        END IF;
    END IF;
    IF NOT use_code(code, by_phone, this_moment) THEN
        RETURN;
    END IF;
    IF word = 'registered' THEN
        INSERT INTO users (id, phone, language, created_at, updated_at, last_login_at)
        VALUES (new_user, by_phone, speaks, this_moment, this_moment, this_moment)
        ON CONFLICT DO NOTHING RETURNING * INTO someone;
        IF someone.id IS NULL THEN
            RAISE EXCEPTION 'somebody was registered in parallel' USING ERRCODE = '40001';
        END IF;
        INSERT INTO outbox_events
            (id, name, version, source, aggregate_id, aggregate_version, payload, traceparent, occurred_at)
        VALUES (event_id, 'auth.user_registered', 1, 'auth-otp', someone.id, someone.version, jsonb_build_object(
            'user_id', someone.id, 'number', someone.number, 'aggregate_version', someone.version, 'phone', someone.phone,
            'username', someone.username, 'full_name', someone.full_name, 'language', someone.language,
            'is_active', someone.is_active, 'is_superuser', someone.is_superuser, 'memberships', '[]'::jsonb,
            'created_at', to_char(someone.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ), trace, this_moment);
    ELSE
        UPDATE users u SET last_login_at = this_moment, password_failures = 0 WHERE u.id = someone.id;
    END IF;
    INSERT INTO user_groups (user_id, group_number, created_at) VALUES (someone.id, in_group, this_moment)
    ON CONFLICT DO NOTHING;
    INSERT INTO sessions (
        id, user_id, kind, organization_id, group_number, generation, token_hash, rotated_at, user_agent, ip_address, device,
        browser, created_at, last_seen_at, expires_at, carrier, opened_by, stepped_up_at, verified_phone
    ) VALUES (
        new_session, someone.id, of_kind, place, in_group, 0, hash, this_moment, agent, address, on_device,
        in_browser, this_moment, this_moment, dies_at, on_carrier, 'code', this_moment, by_phone
    );
    -- A device is forgotten after a year: once a day is often enough.
    IF device_seen_at < this_moment - interval '1 day' THEN
        UPDATE known_devices k SET last_seen_at = this_moment WHERE k.user_id = someone.id AND k.fingerprint = print;
    ELSIF device_seen_at IS NULL THEN
        INSERT INTO known_devices (user_id, fingerprint, first_seen_at, last_seen_at)
        VALUES (someone.id, print, this_moment, this_moment) ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO audit_entries (
        id, occurred_at, actor, actor_kind, action, subject_kind, subject_ids, organization_id, outcome, ip, request_id, details
    ) VALUES (
        audit_id, this_moment, someone.id::text, 'user', 'auth.logged_in', 'user', ARRAY[someone.id::text], place, 'success',
        address, request, jsonb_build_object('by', 'code', 'purpose', for_purpose, 'registered', word = 'registered')
    );
    RETURN QUERY SELECT word, places, place, someone;
END $$;

-- An attempt is counted by a commit of its own before anything is compared, as before; that commit no longer waits for the
-- disk. What the comparison says is told only after a later commit that does wait (the login, the used code, the counted
-- failure), and the log is written in order: who has heard an answer has spent the attempt, whatever fails then.
CREATE OR REPLACE FUNCTION attempt_code(
    for_purpose text, to_phone text, bound_to text, challenge uuid, this_moment timestamptz, ceiling integer
) RETURNS TABLE (outcome text, code_id uuid, hash bytea, left_over integer) LANGUAGE plpgsql AS $$
DECLARE
    found_id uuid;
    dies_at timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
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

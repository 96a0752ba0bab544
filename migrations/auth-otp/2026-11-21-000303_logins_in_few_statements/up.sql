-- A login by code is two statements between BEGIN and COMMIT: who comes in, and the session.

-- Uses a code that was judged right; true for exactly one caller. An attempt too many may have spent the code since it was
-- compared: the comparison came first, so a flood of guesses cannot take the right one's place. A code that a newer one
-- replaced stays spent. Clears the failures of the phone.
CREATE FUNCTION use_code(code uuid, of_phone text, this_moment timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE one_time_codes o SET used_at = this_moment
    WHERE o.id = code AND o.used_at IS NULL AND (o.spent_at IS NULL OR o.attempts >= o.max_attempts);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM phone_failures f WHERE f.phone = of_phone;
    RETURN true;
END $$;

-- The living memberships of a person in active organisations: the first joined first, a personal organisation last.
CREATE FUNCTION standings_of(person uuid) RETURNS TABLE (
    membership_id uuid, organization_id uuid, organization_number bigint, clinic_role text, content_role text
) LANGUAGE sql STABLE AS $$
    SELECT m.id, m.organization_id, o.number, m.clinic_role, m.content_role
    FROM memberships m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = person AND m.is_active AND o.is_active
    ORDER BY o.is_personal, m.joined_at, m.number
$$;

-- Who comes in by a right code: `known`, `registered` for somebody made now, `closed` for a closed account; no row when the
-- code was used already. Two logins at once make one person.
CREATE FUNCTION admit_by_code(
    code uuid, by_phone text, in_group integer, new_id uuid, speaks text, this_moment timestamptz
) RETURNS TABLE (outcome text, has_factor boolean, standings jsonb, person users) LANGUAGE plpgsql AS $$
DECLARE
    someone users;
    word text := 'known';
    factor boolean := false;
    places jsonb := '[]';
BEGIN
    IF NOT use_code(code, by_phone, this_moment) THEN
        RETURN;
    END IF;
    SELECT u.* INTO someone FROM users u WHERE u.phone = by_phone;
    IF someone.id IS NULL THEN
        INSERT INTO users (id, phone, language, created_at, updated_at)
        VALUES (new_id, by_phone, speaks, this_moment, this_moment)
        ON CONFLICT DO NOTHING RETURNING * INTO someone;
        IF someone.id IS NULL THEN
            SELECT u.* INTO STRICT someone FROM users u WHERE u.phone = by_phone;
        ELSE
            word := 'registered';
        END IF;
    END IF;
    IF NOT someone.is_active THEN
        RETURN QUERY SELECT 'closed'::text, false, places, someone;
        RETURN;
    END IF;
    INSERT INTO user_groups (user_id, group_number, created_at) VALUES (someone.id, in_group, this_moment)
    ON CONFLICT DO NOTHING;
    IF word = 'known' THEN
        factor := EXISTS (SELECT 1 FROM second_factors s WHERE s.user_id = someone.id AND s.confirmed_at IS NOT NULL);
        SELECT coalesce(jsonb_agg(to_jsonb(t) - 'place' ORDER BY t.place), '[]') INTO places
        FROM standings_of(someone.id) WITH ORDINALITY AS
            t (membership_id, organization_id, organization_number, clinic_role, content_role, place);
    END IF;
    RETURN QUERY SELECT word, factor, places, someone;
END $$;

-- Opens a session, notes the login and the device. True when the device is news to its owner: new, and not the first of all.
-- Of two logins at once from one new device, one is told.
CREATE FUNCTION open_session(
    new_id uuid, of_user uuid, of_kind text, in_organization uuid, in_group integer, hash bytea, this_moment timestamptz,
    agent text, address text, on_device text, in_browser text, dies_at timestamptz, on_carrier text, by_what text,
    proved_at timestamptz, factor_at timestamptz, proved_phone text, print bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    others boolean;
BEGIN
    INSERT INTO sessions (
        id, user_id, kind, organization_id, group_number, generation, token_hash, rotated_at, user_agent, ip_address, device,
        browser, created_at, last_seen_at, expires_at, carrier, opened_by, stepped_up_at, second_factor_at, verified_phone
    ) VALUES (
        new_id, of_user, of_kind, in_organization, in_group, 0, hash, this_moment, agent, address, on_device,
        in_browser, this_moment, this_moment, dies_at, on_carrier, by_what, proved_at, factor_at, proved_phone
    );
    UPDATE users u SET last_login_at = this_moment, password_failures = 0 WHERE u.id = of_user;
    UPDATE known_devices k SET last_seen_at = this_moment WHERE k.user_id = of_user AND k.fingerprint = print;
    IF FOUND THEN
        RETURN false;
    END IF;
    others := EXISTS (SELECT 1 FROM known_devices k WHERE k.user_id = of_user);
    INSERT INTO known_devices (user_id, fingerprint, first_seen_at, last_seen_at)
    VALUES (of_user, print, this_moment, this_moment) ON CONFLICT DO NOTHING;
    RETURN FOUND AND others;
END $$;

INSERT INTO users (id, phone, username, full_name, language, created_at, updated_at, last_login_at)
SELECT md5('user' || n)::uuid, '+98912' || lpad((7000000 + n)::text, 7, '0'), 'person' || n, 'person ' || n, 'fa', now(), now(), now()
FROM generate_series(1, 20000) n;
INSERT INTO organizations (id, name, slug, created_at, updated_at)
SELECT md5('organization' || n)::uuid, 'clinic ' || n, 'clinic-' || n, now(), now() FROM generate_series(1, 10000) n;
INSERT INTO memberships (id, organization_id, user_id, clinic_role, joined_at, updated_at)
SELECT gen_random_uuid(), md5('organization' || (n / 2 + 1))::uuid, md5('user' || n)::uuid, 'secretary', now(), now()
FROM generate_series(1, 19000) n;
INSERT INTO workspaces (id, organization_id, name, slug, created_at, updated_at)
SELECT gen_random_uuid(), md5('organization' || n)::uuid, 'workspace ' || n, 'main', now(), now() FROM generate_series(1, 10000) n;
INSERT INTO sessions (id, user_id, kind, token_hash, rotated_at, created_at, last_seen_at, expires_at)
SELECT gen_random_uuid(), md5('user' || (n % 20000 + 1))::uuid, 'rotating', decode('00', 'hex'), now(), now(), now(), now() + interval '7 days'
FROM generate_series(1, 40000) n;
INSERT INTO known_devices (user_id, fingerprint, first_seen_at, last_seen_at)
SELECT md5('user' || n)::uuid, decode('00', 'hex'), now(), now() FROM generate_series(1, 20000) n;
INSERT INTO user_groups (user_id, group_number, created_at)
SELECT md5('user' || n)::uuid, 0, now() FROM generate_series(1, 20000) n;
INSERT INTO one_time_codes (id, purpose, phone, code_hash, max_attempts, created_at, expires_at)
SELECT gen_random_uuid(), 'login_s4', '+98913' || lpad(n::text, 7, '0'), decode('00', 'hex'), 5, now(), now() + interval '5 minutes'
FROM generate_series(1, 40000) n;
INSERT INTO code_cooldowns SELECT 'login_s4', '+98913' || lpad(n::text, 7, '0'), '', gen_random_uuid(), now()
FROM generate_series(1, 40000) n;
INSERT INTO phone_sends SELECT '+98913' || lpad(n::text, 7, '0'), ARRAY[now()], now() FROM generate_series(1, 40000) n;
INSERT INTO send_counters SELECT 'ip:' || n, date_trunc('hour', now()), 1 FROM generate_series(1, 40000) n;
INSERT INTO phone_failures SELECT '+98913' || lpad(n::text, 7, '0'), 1, now() FROM generate_series(1, 40000) n;
INSERT INTO blocked_sources SELECT gen_random_uuid(), 'x' || n, 'r', 1, NULL, now(), now() - interval '1 hour' FROM generate_series(1, 20000) n;
INSERT INTO revocations (kind, subject_id, not_before, created_at, expires_at)
SELECT 'session', gen_random_uuid(), 0, now() - interval '1 hour', now() - interval '10 minutes' FROM generate_series(1, 20000) n;
INSERT INTO api_keys (id, name, key_hash, hint, created_at, created_by)
SELECT gen_random_uuid(), 'partner ' || n, decode(md5(n::text), 'hex'), 'tk_', now(), md5('user' || n)::uuid FROM generate_series(1, 10000) n;
INSERT INTO invitations (id, organization_id, phone, content_role, language, invited_by, created_at, expires_at)
SELECT gen_random_uuid(), md5('organization' || n)::uuid, '+98912' || lpad((8000000 + n)::text, 7, '0'), 'viewer', 'fa',
    md5('user' || n)::uuid, now(), now() + interval '7 days'
FROM generate_series(1, 10000) n;
INSERT INTO login_notifications (id, organization_id, user_id, ip_address, logged_in_at)
SELECT gen_random_uuid(), md5('organization' || n)::uuid, md5('user' || n)::uuid, '192.0.2.1', now() FROM generate_series(1, 10000) n;
INSERT INTO account_alerts (id, user_id, kind, phone, language, created_at)
SELECT gen_random_uuid(), md5('user' || n)::uuid, 'new_device', '+989120000000', 'fa', now() FROM generate_series(1, 10000) n;
INSERT INTO login_challenges (id, user_id, token_hash, kind, carrier, opened_by, created_at, expires_at)
SELECT gen_random_uuid(), md5('user' || n)::uuid, decode(md5(n::text), 'hex'), 'rotating', 'body', 'code', now(), now() + interval '5 minutes'
FROM generate_series(1, 10000) n;

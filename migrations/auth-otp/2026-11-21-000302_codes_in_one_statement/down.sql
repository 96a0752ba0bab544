DROP FUNCTION attempt_code(text, text, text, uuid, timestamptz, integer);
DROP FUNCTION issue_code(
    uuid, text, text, text, bytea, integer, timestamptz, timestamptz, timestamptz, integer,
    bigint, bigint, timestamptz, text[], bigint[], uuid, jsonb, uuid, text
);
DROP FUNCTION charge_send(text, timestamptz, bigint, bigint, timestamptz, text[], bigint[]);

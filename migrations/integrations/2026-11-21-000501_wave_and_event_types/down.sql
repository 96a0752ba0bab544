DROP TABLE outgoing_event_types;
-- What such an endpoint received is evidence, so it stays and is switched off.
UPDATE webhook_endpoints SET scheme = 'auto', is_active = false WHERE scheme = 'wave';
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_scheme_check,
    ADD CONSTRAINT webhook_endpoints_scheme_check
        CHECK (scheme IN ('auto', 'x_signature', 'standard', 'stripe', 'generic'));

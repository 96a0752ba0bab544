-- For which end of its time a credential's owner was warned; another end is warned of again.
ALTER TABLE provider_credentials ADD COLUMN expiry_warned_for timestamptz;
CREATE INDEX provider_credentials_expires_at ON provider_credentials (expires_at)
    WHERE is_active AND expires_at IS NOT NULL;

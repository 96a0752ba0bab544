DROP INDEX provider_credentials_expires_at;
ALTER TABLE provider_credentials DROP COLUMN expiry_warned_for;

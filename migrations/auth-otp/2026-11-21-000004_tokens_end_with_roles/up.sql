-- Access tokens issued before this second carry roles that no longer hold; newer ones are issued at this second or later.
ALTER TABLE users ADD COLUMN tokens_not_before bigint NOT NULL DEFAULT 0;

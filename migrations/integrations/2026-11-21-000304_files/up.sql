-- A sealed file that someone uploaded.
CREATE TABLE files (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    uploader_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('document', 'audio')),
    file_name text NOT NULL CHECK (length(file_name) BETWEEN 1 AND 255),
    content_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes > 0),
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    storage_key text NOT NULL,
    -- 'clean' when a scanner saw it, 'unscanned' where none is configured.
    scan_state text NOT NULL CHECK (scan_state IN ('clean', 'unscanned')),
    created_at timestamptz NOT NULL,
    CONSTRAINT files_storage_key_key UNIQUE (storage_key)
);
CREATE INDEX files_by_organization ON files (organization_id, created_at DESC, id DESC);

-- What lies in the store without being a file: uploads under way, and files that were deleted. The sweep removes it.
CREATE TABLE file_leftovers (
    storage_key text PRIMARY KEY,
    remove_after timestamptz NOT NULL
);
CREATE INDEX file_leftovers_remove_after ON file_leftovers (remove_after);

-- Tickets that were used; kept until they would have ended.
CREATE TABLE file_tickets_used (
    nonce uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX file_tickets_used_expires_at ON file_tickets_used (expires_at);

-- A16 shows how many projects a workspace has; content counts them and tells.
ALTER TABLE workspaces
    ADD project_count bigint NOT NULL DEFAULT 0 CHECK (project_count >= 0),
    ADD project_count_version bigint NOT NULL DEFAULT 0;

ALTER TABLE workspaces DROP project_count, DROP project_count_version;

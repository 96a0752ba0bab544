ALTER TABLE workspaces DROP projects_version;

-- How often the projects of a workspace were counted: the version of what is told of them.
ALTER TABLE workspaces ADD projects_version bigint NOT NULL DEFAULT 0;

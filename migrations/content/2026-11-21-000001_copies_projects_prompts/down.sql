DROP TABLE prompts;
DROP TABLE projects;
DROP TABLE workspaces;
DROP TABLE organizations;
DROP TABLE members;
DROP TABLE people;

DROP TABLE workspaces;
DROP TABLE memberships;
DROP TABLE organizations;
DROP TABLE user_groups;
DROP TABLE users;

ALTER TABLE sessions DROP COLUMN verified_phone;
DROP INDEX workspaces_search;
DROP INDEX workspaces_name;
DROP INDEX workspaces_created_at;
DROP INDEX workspaces_organization_created;
CREATE INDEX memberships_organization_id ON memberships (organization_id);
DROP INDEX memberships_joined_at;
DROP INDEX memberships_organization_joined;
ALTER TABLE memberships
    DROP COLUMN doctor_approved_at,
    DROP COLUMN doctor_approved_by,
    DROP COLUMN license_number,
    DROP COLUMN is_active;
DROP INDEX organizations_search;
DROP INDEX organizations_name;
DROP INDEX organizations_created_at;
ALTER TABLE organizations DROP COLUMN is_personal;
DROP INDEX users_search;
DROP INDEX users_last_login_at;
DROP INDEX users_full_name;
ALTER TABLE users DROP COLUMN removed_at, DROP COLUMN managed_by;
DROP EXTENSION pg_trgm;

-- Searching people and organisations by any part of a name needs trigrams.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- `managed_by`: the clinic whose admin made the account, and alone may set its password and names.
-- `removed_at`: deleted for every list; the row stays because other records name it.
ALTER TABLE users
    ADD COLUMN managed_by uuid REFERENCES organizations (id),
    ADD COLUMN removed_at timestamptz;
CREATE INDEX users_managed_by ON users (managed_by);
CREATE INDEX users_full_name ON users (full_name, number);
CREATE INDEX users_last_login_at ON users (last_login_at, number);
CREATE INDEX users_search ON users USING gin (
    full_name gin_trgm_ops, phone gin_trgm_ops, username gin_trgm_ops, email gin_trgm_ops);

-- A personal organisation is made for who has none (Contexor's pages need one); it is nobody's first choice.
ALTER TABLE organizations ADD COLUMN is_personal boolean NOT NULL DEFAULT false;
CREATE INDEX organizations_created_at ON organizations (created_at, number);
CREATE INDEX organizations_name ON organizations (name, number);
CREATE INDEX organizations_search ON organizations USING gin (
    name gin_trgm_ops, slug gin_trgm_ops, description gin_trgm_ops);

-- A suspended membership gives no rights. A doctor's licence number, who approved the doctor, and when.
ALTER TABLE memberships
    ADD COLUMN is_active boolean NOT NULL DEFAULT true,
    ADD COLUMN license_number text NOT NULL DEFAULT '' CHECK (length(license_number) <= 50),
    ADD COLUMN doctor_approved_by uuid REFERENCES users (id),
    ADD COLUMN doctor_approved_at timestamptz;
CREATE INDEX memberships_doctor_approved_by ON memberships (doctor_approved_by);
CREATE INDEX memberships_organization_joined ON memberships (organization_id, joined_at, number);
CREATE INDEX memberships_joined_at ON memberships (joined_at, number);
DROP INDEX memberships_organization_id;

CREATE INDEX workspaces_organization_created ON workspaces (organization_id, created_at, number);
CREATE INDEX workspaces_created_at ON workspaces (created_at, number);
CREATE INDEX workspaces_name ON workspaces (name, number);
CREATE INDEX workspaces_search ON workspaces USING gin (
    name gin_trgm_ops, slug gin_trgm_ops, description gin_trgm_ops);

-- The phone that a code proved when this session was opened; an invitation is accepted by such a session only.
ALTER TABLE sessions ADD COLUMN verified_phone text;

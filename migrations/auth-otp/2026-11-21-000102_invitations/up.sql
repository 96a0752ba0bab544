-- A phone invited into an organisation; its owner accepts after proving the phone with a code.
CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations (id),
    phone text NOT NULL CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    clinic_role text CHECK (clinic_role IN ('admin', 'doctor', 'secretary', 'accountant')),
    content_role text CHECK (content_role IN ('admin', 'editor', 'writer', 'viewer')),
    license_number text NOT NULL DEFAULT '' CHECK (length(license_number) <= 50),
    language text NOT NULL CHECK (language IN ('fa', 'fr', 'en')),
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    invited_by uuid NOT NULL REFERENCES users (id),
    decided_by uuid REFERENCES users (id),
    sends integer NOT NULL DEFAULT 0 CHECK (sends >= 0),
    sent_at timestamptz,
    delivery text NOT NULL DEFAULT 'waiting' CHECK (delivery IN ('waiting', 'queued', 'sent', 'unknown', 'failed')),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_at timestamptz,
    CONSTRAINT invitations_some_role CHECK (clinic_role IS NOT NULL OR content_role IS NOT NULL)
);
CREATE UNIQUE INDEX invitations_pending_key ON invitations (organization_id, phone) WHERE state = 'pending';
CREATE INDEX invitations_organization_created ON invitations (organization_id, created_at, id);
CREATE INDEX invitations_created_at ON invitations (created_at, id);
CREATE INDEX invitations_phone ON invitations (phone, created_at);
CREATE INDEX invitations_pending_until ON invitations (expires_at) WHERE state = 'pending';
CREATE INDEX invitations_invited_by ON invitations (invited_by);
CREATE INDEX invitations_decided_by ON invitations (decided_by);

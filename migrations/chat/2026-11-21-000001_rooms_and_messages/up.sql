-- A copy of people, kept from auth.user_* events and from the tokens of those who call.
CREATE TABLE people (
    id uuid PRIMARY KEY,
    number bigint NOT NULL UNIQUE,
    phone text,
    username text,
    full_name text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT 'fa',
    is_active boolean NOT NULL DEFAULT true,
    organization_ids uuid[] NOT NULL DEFAULT '{}',
    clinic_organization_ids uuid[] NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL
);
CREATE INDEX people_phone ON people (phone) WHERE phone IS NOT NULL;

CREATE TABLE rooms (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    organization_id uuid,
    -- The two members of a room for two, smaller id first: a pair has one room.
    pair_key text CONSTRAINT rooms_pair_key UNIQUE,
    status smallint NOT NULL DEFAULT 1 CONSTRAINT rooms_status CHECK (status IN (1, 2, 3)),
    name text NOT NULL DEFAULT '' CONSTRAINT rooms_name CHECK (char_length(name) <= 45),
    descriptions text NOT NULL DEFAULT '',
    created_by uuid NOT NULL REFERENCES people (id),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX rooms_created_by ON rooms (created_by);

CREATE TABLE room_members (
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES people (id),
    joined_at timestamptz NOT NULL,
    last_read_number bigint NOT NULL DEFAULT 0,
    is_pinned boolean NOT NULL DEFAULT false,
    is_banned boolean NOT NULL DEFAULT false,
    permissions smallint[] NOT NULL DEFAULT '{1}',
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX room_members_user ON room_members (user_id, room_id);

CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    uploader_id uuid NOT NULL REFERENCES people (id),
    storage_key text NOT NULL UNIQUE,
    file_name text NOT NULL,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    sha256 text NOT NULL,
    text text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);
CREATE INDEX attachments_room ON attachments (room_id);
CREATE INDEX attachments_uploader ON attachments (uploader_id);

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    room_id uuid NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    sender_id uuid NOT NULL REFERENCES people (id),
    message_type text NOT NULL CONSTRAINT messages_type CHECK (message_type IN ('text', 'image', 'file', 'location')),
    text text NOT NULL,
    attachment_id uuid REFERENCES attachments (id),
    lat double precision,
    lng double precision,
    -- The sender's own name for the message: sending it again stores nothing new.
    client_id text CONSTRAINT messages_client_id_length CHECK (char_length(client_id) <= 64),
    created_at timestamptz NOT NULL,
    CONSTRAINT messages_client_id UNIQUE (room_id, sender_id, client_id)
);
CREATE INDEX messages_room ON messages (room_id, number DESC);
CREATE INDEX messages_sender ON messages (sender_id);
CREATE INDEX messages_attachment ON messages (attachment_id) WHERE attachment_id IS NOT NULL;

-- Single-use tickets that open a socket, so that no access token stands in an address.
CREATE TABLE socket_tickets (
    ticket_hash text PRIMARY KEY,
    claims jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX socket_tickets_expires_at ON socket_tickets (expires_at);

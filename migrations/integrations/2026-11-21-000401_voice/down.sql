DELETE FROM message_attempts WHERE message_id IN (SELECT id FROM messages WHERE channel = 'voice');
DELETE FROM messages WHERE channel = 'voice';
ALTER TABLE messages DROP CONSTRAINT messages_channel_check;
ALTER TABLE messages ADD CONSTRAINT messages_channel_check CHECK (channel IN ('sms', 'email'));

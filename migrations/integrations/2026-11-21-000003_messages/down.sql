DROP TABLE message_attempts;
DROP TABLE messages;
DROP TABLE message_templates;

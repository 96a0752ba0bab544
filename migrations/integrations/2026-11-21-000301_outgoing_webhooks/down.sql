DROP TABLE outgoing_attempts;
DROP TABLE outgoing_deliveries;
DROP TABLE outgoing_streams;
DROP TABLE outgoing_messages;
DROP TABLE outgoing_secrets;
DROP TABLE outgoing_endpoints;

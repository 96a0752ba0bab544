DROP TABLE webhook_rejections;
DROP TABLE webhook_events;
DROP TABLE webhook_endpoints;

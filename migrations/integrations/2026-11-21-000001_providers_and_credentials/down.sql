DROP TABLE integration_logs;
DROP TABLE provider_credentials;
DROP TABLE providers;

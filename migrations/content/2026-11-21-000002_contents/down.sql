DROP TABLE content_audit_logs;
DROP TABLE versions;
DROP TABLE ai_jobs;
DROP TABLE contents;

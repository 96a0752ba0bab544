DROP INDEX payments_provider;
DROP INDEX payments_completed_at;
DROP TABLE payouts;
DROP TABLE reconciliation_exceptions;
DROP TABLE reconciliation_runs;

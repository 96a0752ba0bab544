DROP TABLE refunds;
DROP INDEX payments_tracking_code;
DROP INDEX payments_status;
DROP INDEX payments_client_ip;
ALTER TABLE payments
    DROP COLUMN client_ip,
    DROP COLUMN refund_reserved,
    DROP COLUMN refunded_amount;

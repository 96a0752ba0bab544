ALTER TABLE bookings
    DROP COLUMN invoice_id,
    DROP COLUMN amount,
    DROP COLUMN online_payment_id;
DROP TABLE report_copies;
DROP TABLE invoice_copies;

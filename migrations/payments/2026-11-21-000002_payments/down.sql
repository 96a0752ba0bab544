DROP TABLE people;
DROP TABLE provider_events;
DROP TABLE payment_logs;
DROP TABLE payments;

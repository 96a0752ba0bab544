DROP INDEX payments_reference;
DROP TABLE chelseru_payments;
DROP TABLE wallet_top_ups;

DROP TABLE recorded_payments;
DROP TABLE examinations;
DROP TABLE invoice_lines;
DROP TABLE invoices;
DROP TABLE document_counters;
DROP TABLE exam_types;

DROP TABLE audit_sealed_entries;
DROP TABLE audit_seals;
DROP TABLE audit_entries;

DROP TABLE clinic_backfill;

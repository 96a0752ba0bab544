DROP TABLE summary_changes;
DROP TABLE cached_summaries;
DROP TABLE grants;
DROP TABLE access_requests;
DROP TABLE people;

DROP TABLE summary_jobs;
DROP TABLE summaries;

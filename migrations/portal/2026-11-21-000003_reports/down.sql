DROP TABLE report_notifications;
DROP TABLE reports;

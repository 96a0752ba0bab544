DROP TABLE login_notifications;

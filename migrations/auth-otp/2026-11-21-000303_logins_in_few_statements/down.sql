DROP FUNCTION open_session;
DROP FUNCTION admit_by_code;
DROP FUNCTION standings_of;
DROP FUNCTION use_code;

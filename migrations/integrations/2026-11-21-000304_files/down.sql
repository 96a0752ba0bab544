DROP TABLE file_tickets_used;
DROP TABLE file_leftovers;
DROP TABLE files;

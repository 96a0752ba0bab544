DROP TABLE socket_tickets;
DROP TABLE messages;
DROP TABLE attachments;
DROP TABLE room_members;
DROP TABLE rooms;
DROP TABLE people;

drop table departures, presence, messages, members, rooms;

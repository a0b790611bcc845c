-- What a track feels like, in the artist's words. Older releases neither write nor read it.
ALTER TABLE tracks ADD COLUMN mood text CHECK (char_length(mood) BETWEEN 1 AND 40);

-- Profiles, tracks and their uploads, playlists, listening history.
-- Who somebody is (`person_id`) is decided by identity; here it is a UUID without a foreign key.

-- How words are compared: without case, accents and punctuation. Used for what is stored and for what is asked, so that
-- both always agree. It needs no extension, and gives the same in every locale: `lower` knows ASCII alone in locale C, so the
-- capitals of Greek and Cyrillic, and Latin letters that NFKD does not take apart, are spelled out.
CREATE FUNCTION fold(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(normalize(
    translate(
      replace(replace(replace(replace(replace(replace(replace(replace(
        lower(regexp_replace(normalize(value, NFKD), '[\u0300-\u036f]', '', 'g')),
        'ß', 'ss'), 'ẞ', 'ss'), 'æ', 'ae'), 'Æ', 'ae'), 'œ', 'oe'), 'Œ', 'oe'), 'þ', 'th'), 'Þ', 'th'),
      'ØŁĐÐıĦŊŦƎƏøłđðΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЄІЈЉЊЋЏЂЅҐӘҮҰҚҢҺӨ'
        || '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~’‘“”„«»¡¿–—…·',
      'olddiħŋŧǝəolddαβγδεζηθικλμνξοπρστυφχψωσабвгдежзийклмнопрстуфхцчшщъыьэюяєіјљњћџђѕґәүұқңһө'
        || repeat(' ', 45)),
    NFC), '\s+', ' ', 'g'))
$$;

-- Every word of the question has to begin a word of what is found. NULL when the question has no word.
CREATE FUNCTION all_words(question text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT to_tsquery('simple'::regconfig, string_agg('''' || word || ''':*', ' & '))
    FROM unnest(string_to_array(question, ' ')) AS word WHERE word <> ''
$$;

-- Some word of the question begins a word of what is found.
CREATE FUNCTION any_word(question text) RETURNS tsquery LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT to_tsquery('simple'::regconfig, string_agg('''' || word || ''':*', ' | '))
    FROM unnest(string_to_array(question, ' ')) AS word WHERE word <> ''
$$;

CREATE TABLE profiles (
  person_id    uuid PRIMARY KEY,
  display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 80),
  bio          text NOT NULL DEFAULT '' CHECK (char_length(bio) <= 2000),
  language     text NOT NULL DEFAULT 'en' CHECK (char_length(language) BETWEEN 2 AND 35),
  -- Told by the person or not at all. Read by nothing but the test of bias, least of all by the ranking.
  gender       text CHECK (gender IN ('woman', 'man', 'non-binary')),
  version      integer NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  search       tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, fold(display_name))) STORED
);
CREATE INDEX profiles_search ON profiles USING gin (search);

CREATE TABLE tracks (
  id           uuid PRIMARY KEY,
  artist_id    uuid NOT NULL REFERENCES profiles (person_id) ON DELETE CASCADE,
  title        text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
  language     text NOT NULL CHECK (char_length(language) BETWEEN 2 AND 35),
  genre        text NOT NULL CHECK (char_length(genre) BETWEEN 1 AND 40),
  duration_ms  integer CHECK (duration_ms > 0),
  bytes        integer NOT NULL CHECK (bytes > 0),
  sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  content_type text NOT NULL,
  -- uploading -> ready; either -> removing, which nobody sees and a sweep finishes.
  state        text NOT NULL DEFAULT 'uploading' CHECK (state IN ('uploading', 'ready', 'removing')),
  created_at   timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  -- Until when an upload that nobody goes on with is kept. How far it is, the storage knows and nobody else.
  upload_until timestamptz,
  search       tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, fold(title) || ' ' || fold(genre))) STORED,
  CHECK (state <> 'ready' OR published_at IS NOT NULL),
  CHECK (state <> 'uploading' OR upload_until IS NOT NULL)
);
CREATE INDEX tracks_search ON tracks USING gin (search);
CREATE INDEX tracks_artist ON tracks (artist_id);
CREATE INDEX tracks_ready ON tracks (language) WHERE state = 'ready';
CREATE INDEX tracks_unfinished ON tracks (upload_until) WHERE state <> 'ready';

CREATE TABLE plays (
  seq       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Given by whoever plays, so that a repeated report counts once.
  id        uuid NOT NULL,
  person_id uuid NOT NULL,
  track_id  uuid NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
  ms        integer NOT NULL CHECK (ms BETWEEN 0 AND 86400000),
  played_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (person_id, id)
);
CREATE INDEX plays_person ON plays (person_id, seq DESC);
CREATE INDEX plays_track ON plays (track_id);

CREATE TABLE playlists (
  id         uuid PRIMARY KEY,
  owner_id   uuid NOT NULL,
  name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
  visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'public')),
  version    integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX playlists_owner ON playlists (owner_id, id);

CREATE TABLE playlist_tracks (
  playlist_id uuid NOT NULL REFERENCES playlists (id) ON DELETE CASCADE,
  position    integer NOT NULL CHECK (position BETWEEN 0 AND 999),
  track_id    uuid NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
  PRIMARY KEY (playlist_id, position)
);
CREATE INDEX playlist_tracks_track ON playlist_tracks (track_id);

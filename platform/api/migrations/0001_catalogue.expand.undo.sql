DROP TABLE playlist_tracks, playlists, plays, tracks, profiles;
DROP FUNCTION any_word, all_words, fold;

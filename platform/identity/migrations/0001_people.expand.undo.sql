drop table login_attempts, refresh_tokens, sessions, people;

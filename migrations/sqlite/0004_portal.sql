CREATE TABLE web_session (
    id_hash    BLOB PRIMARY KEY,          -- SHA-256 of the id in the cookie
    expires_at INTEGER NOT NULL,
    data       BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX web_session_expiry ON web_session (expires_at);

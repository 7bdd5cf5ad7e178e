CREATE TABLE web_session (
    id_hash    BYTEA PRIMARY KEY,          -- SHA-256 of the id in the cookie
    expires_at BIGINT  NOT NULL,
    data       BYTEA NOT NULL
);

CREATE INDEX web_session_expiry ON web_session (expires_at);

-- Assertions of systems that asked for access tokens: each is taken once.
CREATE TABLE client_assertion (
    client_id  TEXT NOT NULL,
    jti        TEXT NOT NULL,
    kept_until INTEGER NOT NULL,          -- ms since 1970, UTC
    PRIMARY KEY (client_id, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_assertion_kept ON client_assertion (kept_until);

-- What people have let apps do: a code, good once and for a minute, and the access token given for it.
CREATE TABLE app_grant (
    id         BYTEA NOT NULL PRIMARY KEY, -- the jti of the token
    code_hash  BYTEA NOT NULL UNIQUE,      -- SHA-256 of the code
    granted    TEXT NOT NULL,             -- JSON: who, to which app, what, about whom
    used_at    BIGINT,                   -- when the code was shown first; ms since 1970, UTC
    revoked_at BIGINT,                   -- when it was shown again
    kept_until BIGINT NOT NULL
);

CREATE INDEX app_grant_kept ON app_grant (kept_until);

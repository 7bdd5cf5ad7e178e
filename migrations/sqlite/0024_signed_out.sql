-- Sign-ins that ended at the provider before their sessions and access tokens would.
CREATE TABLE signed_out (
    issuer     TEXT NOT NULL,
    kind       TEXT NOT NULL,             -- session or person
    value      TEXT NOT NULL,             -- the provider's id of it: sid or sub
    until      INTEGER NOT NULL,          -- of a person: those that began up to then; ms since 1970, UTC
    kept_until INTEGER NOT NULL,
    PRIMARY KEY (issuer, kind, value)
) STRICT, WITHOUT ROWID;

CREATE INDEX signed_out_kept ON signed_out (kept_until);

-- Messages of providers that ended sign-ins: each is taken once.
CREATE TABLE logout_token (
    issuer     TEXT NOT NULL,
    jti        TEXT NOT NULL,
    kept_until INTEGER NOT NULL,
    PRIMARY KEY (issuer, jti)
) STRICT, WITHOUT ROWID;

CREATE INDEX logout_token_kept ON logout_token (kept_until);
CREATE INDEX override_grant_session ON override_grant (session_id);

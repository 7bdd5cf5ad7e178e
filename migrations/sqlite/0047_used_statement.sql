-- Delegations that were used, for all copies of a role over one database: each is taken once.
CREATE TABLE used_statement (
    issuer     TEXT NOT NULL,
    id         TEXT NOT NULL,
    kept_until INTEGER NOT NULL,          -- ms since 1970, UTC
    PRIMARY KEY (issuer, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX used_statement_kept ON used_statement (kept_until);

-- Which citizens may see whose record: their own, as proxies, or nobody. Every version.
CREATE TABLE citizen_grant (
    id          BLOB NOT NULL,
    version     INTEGER NOT NULL,
    nhs_number  INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    record      TEXT NOT NULL,            -- JSON
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX citizen_grant_subject ON citizen_grant (nhs_number, id, version DESC);

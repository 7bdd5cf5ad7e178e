-- Who cares for whom, how that came about, since when and until when: every version.
CREATE TABLE relationship (
    id          BLOB NOT NULL,
    version     INTEGER NOT NULL,
    nhs_number  INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    record      TEXT NOT NULL,            -- JSON
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX relationship_subject ON relationship (nhs_number, id, version DESC);

-- Which process sends records to a repository of audit records by FHIR, of all that share this database.
CREATE TABLE audit_feed_holder (
    name       TEXT PRIMARY KEY,      -- as in audit_witness, which has how far it has come
    holder     BLOB NOT NULL,
    held_until INTEGER NOT NULL       -- ms since 1970, UTC
) STRICT, WITHOUT ROWID;

-- What became of single records: 2xx of those behind one that is still to be sent, another status of those that
-- were left out, since the repository refuses them or fails at them alone; these are kept here.
CREATE TABLE audit_feed_answer (
    name   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    status INTEGER NOT NULL,
    PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;

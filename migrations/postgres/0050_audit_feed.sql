-- Which process sends records to a repository of audit records by FHIR, of all that share this database.
CREATE TABLE audit_feed_holder (
    name       TEXT PRIMARY KEY,      -- as in audit_witness, which has how far it has come
    holder     BYTEA NOT NULL,
    held_until BIGINT NOT NULL       -- ms since 1970, UTC
);

-- What became of single records: 2xx of those behind one that is still to be sent, another status of those that
-- were left out, since the repository refuses them or fails at them alone; these are kept here.
CREATE TABLE audit_feed_answer (
    name   TEXT NOT NULL,
    seq    BIGINT NOT NULL,
    status BIGINT NOT NULL,
    PRIMARY KEY (name, seq)
);

-- How far the load of a file has come; written with what it brings, so that it can go on from there.
CREATE TABLE bulk_load (
    source  BLOB PRIMARY KEY,             -- SHA-256 over the file's beginning and its length
    bytes   INTEGER NOT NULL,             -- of the file, up to here
    lines   INTEGER NOT NULL,
    entries INTEGER NOT NULL,             -- DocumentEntries that were taken
    refused INTEGER NOT NULL              -- lines
) STRICT, WITHOUT ROWID;

CREATE TABLE bulk_load_refusal (
    source BLOB NOT NULL,
    line   INTEGER NOT NULL,              -- counted from 1
    errors TEXT NOT NULL,
    PRIMARY KEY (source, line)
) STRICT, WITHOUT ROWID;

-- How far the load of a file has come; written with what it brings, so that it can go on from there.
CREATE TABLE bulk_load (
    source  BYTEA PRIMARY KEY,             -- SHA-256 over the file's beginning and its length
    bytes   BIGINT NOT NULL,             -- of the file, up to here
    lines   BIGINT NOT NULL,
    entries BIGINT NOT NULL,             -- DocumentEntries that were taken
    refused BIGINT NOT NULL              -- lines
);

CREATE TABLE bulk_load_refusal (
    source BYTEA NOT NULL,
    line   BIGINT NOT NULL,              -- counted from 1
    errors TEXT NOT NULL,
    PRIMARY KEY (source, line)
);

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

-- Much faster than the built-in way where the server has it; it reads both.
DO $$ BEGIN
    ALTER TABLE registry_object ALTER COLUMN metadata SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;

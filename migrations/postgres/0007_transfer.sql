-- How far the move of a database to this one has come, by table. Empty where none was begun.
CREATE TABLE transfer (
    table_name  TEXT PRIMARY KEY,
    source_rows BIGINT NOT NULL,
    source_hash BYTEA NOT NULL,           -- SHA-256 over the source's rows in the order of the key
    copied_rows BIGINT NOT NULL,          -- the first so many rows are here
    verified    BIGINT NOT NULL           -- 1 when they have been read back and compared
);

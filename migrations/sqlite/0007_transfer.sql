-- How far the move of a database to this one has come, by table. Empty where none was begun.
CREATE TABLE transfer (
    table_name  TEXT PRIMARY KEY,
    source_rows INTEGER NOT NULL,
    source_hash BLOB NOT NULL,            -- SHA-256 over the source's rows in the order of the key
    copied_rows INTEGER NOT NULL,         -- the first so many rows are here
    verified    INTEGER NOT NULL          -- 1 when they have been read back and compared
) STRICT, WITHOUT ROWID;

-- What records are looked for by beside their subject and actor: organisation, document, request. It is
-- derived from the records in groups, soon after they are there, and can be made again out of them.
CREATE TABLE audit_reference (
    reference INTEGER NOT NULL,      -- the first 8 bytes of SHA-256 over what it is of and its value
    seq       INTEGER NOT NULL,      -- of the record
    PRIMARY KEY (reference, seq)
) STRICT, WITHOUT ROWID;

-- Which records are in it, without gaps, and from when they are: the last one says how far it goes.
CREATE TABLE audit_indexed (
    first_seq INTEGER PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    earliest  INTEGER NOT NULL,      -- milliseconds since 1970, UTC
    latest    INTEGER NOT NULL
) STRICT;

-- What records are looked for by beside their subject and actor: organisation, document, request. It is
-- derived from the records in groups, soon after they are there, and can be made again out of them.
CREATE TABLE audit_reference (
    reference BIGINT NOT NULL,       -- the first 8 bytes of SHA-256 over what it is of and its value
    seq       BIGINT NOT NULL,       -- of the record
    PRIMARY KEY (reference, seq)
);

-- Which records are in it, without gaps, and from when they are: the last one says how far it goes.
CREATE TABLE audit_indexed (
    first_seq BIGINT PRIMARY KEY,
    last_seq  BIGINT NOT NULL,
    earliest  BIGINT NOT NULL,       -- milliseconds since 1970, UTC
    latest    BIGINT NOT NULL
);

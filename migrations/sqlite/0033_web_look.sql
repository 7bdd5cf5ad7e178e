-- What a person saw last of a patient's list, for half a year. Neither who nor whose can be told from a row.
CREATE TABLE web_look (
    id_hash    BLOB PRIMARY KEY NOT NULL, -- keyed digest of who looked and at whose record
    expires_at INTEGER NOT NULL,           -- a day; milliseconds since 1970, UTC
    data       BLOB NOT NULL             -- encrypted
) STRICT;

CREATE INDEX web_look_expiry ON web_look (expires_at);

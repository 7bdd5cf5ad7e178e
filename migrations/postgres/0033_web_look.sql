-- What a person saw last of a patient's list, for half a year. Neither who nor whose can be told from a row.
CREATE TABLE web_look (
    id_hash    BYTEA PRIMARY KEY,          -- keyed digest of who looked and at whose record
    expires_at BIGINT NOT NULL,           -- a day; milliseconds since 1970, UTC
    data       BYTEA NOT NULL             -- encrypted
);

CREATE INDEX web_look_expiry ON web_look (expires_at);

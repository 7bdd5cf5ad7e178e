-- An object that was found damaged is given to nobody until a scrub finds it whole again or its
-- document is sent again.
ALTER TABLE stored_document ADD COLUMN quarantined_at BIGINT;

-- The key that the object is encrypted with, itself encrypted by the key of that name; null where
-- the object is stored as it came.
ALTER TABLE stored_document ADD COLUMN wrapping_key_id TEXT;
ALTER TABLE stored_document ADD COLUMN wrapped_key BYTEA;

-- How far the scrub of a node has come; written as it goes, so that it can go on from there.
CREATE TABLE scrub (
    repository  TEXT PRIMARY KEY,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    after_id    TEXT NOT NULL,            -- the last uniqueId that was checked
    documents   BIGINT NOT NULL,
    size_bytes  BIGINT NOT NULL           -- that were read
);

CREATE TABLE scrub_finding (
    repository TEXT NOT NULL,
    unique_id  TEXT NOT NULL,
    fault      TEXT NOT NULL,
    PRIMARY KEY (repository, unique_id, fault)
);

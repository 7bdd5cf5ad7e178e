-- An object that was found damaged is given to nobody until a scrub finds it whole again or its
-- document is sent again.
ALTER TABLE stored_document ADD COLUMN quarantined_at INTEGER;

-- The key that the object is encrypted with, itself encrypted by the key of that name; null where
-- the object is stored as it came.
ALTER TABLE stored_document ADD COLUMN wrapping_key_id TEXT;
ALTER TABLE stored_document ADD COLUMN wrapped_key BLOB;

-- How far the scrub of a node has come; written as it goes, so that it can go on from there.
CREATE TABLE scrub (
    repository  TEXT PRIMARY KEY,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    after_id    TEXT NOT NULL,            -- the last uniqueId that was checked
    documents   INTEGER NOT NULL,
    size_bytes  INTEGER NOT NULL          -- that were read
) STRICT, WITHOUT ROWID;

CREATE TABLE scrub_finding (
    repository TEXT NOT NULL,
    unique_id  TEXT NOT NULL,
    fault      TEXT NOT NULL,
    PRIMARY KEY (repository, unique_id, fault)
) STRICT, WITHOUT ROWID;

-- What was removed from a node and why; the certificate once the bytes are destroyed.
CREATE TABLE disposal (
    unique_id      TEXT NOT NULL,
    removed_at     BIGINT NOT NULL,      -- milliseconds since 1970, UTC
    rule           TEXT NOT NULL,         -- of the retention rules; ITI-86 where that removed it
    reason         TEXT NOT NULL,
    approved_by    TEXT NOT NULL,
    type_code      TEXT NOT NULL,
    mime_type      TEXT NOT NULL,
    size_bytes     BIGINT NOT NULL,
    sha256         TEXT NOT NULL,
    registry_owed  BIGINT NOT NULL,      -- 1 until the registry has taken its entry out; 0 where others do that
    destroyed_at   BIGINT,
    PRIMARY KEY (unique_id, removed_at)
);

CREATE INDEX disposal_owed ON disposal (unique_id) WHERE registry_owed = 1;
CREATE INDEX disposal_waiting ON disposal (removed_at) WHERE destroyed_at IS NULL;

INSERT INTO disposal
SELECT unique_id, stored_at, 'ITI-86', 'removed before reasons were kept', 'unknown', '', mime_type,
       size_bytes, sha256, 0, NULL
FROM stored_document WHERE registered = 2;

-- While one is in force, nothing that it covers is destroyed.
CREATE TABLE legal_hold (
    hold_id   TEXT PRIMARY KEY,
    scope     TEXT NOT NULL,              -- all, document, patient, type
    value     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    set_by    TEXT NOT NULL,
    set_at    BIGINT NOT NULL,
    lifted_by TEXT,
    lifted_at BIGINT
);

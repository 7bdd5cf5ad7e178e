-- What rules have found in the record of accesses, for privacy officers to review.
CREATE TABLE detection_finding (
    finding_id   BLOB PRIMARY KEY,
    rule         TEXT NOT NULL,
    actor        TEXT NOT NULL,           -- the user's id
    actor_name   TEXT NOT NULL,
    organisation TEXT NOT NULL,           -- that the user acted for
    role         TEXT NOT NULL,
    patient      INTEGER NOT NULL,        -- NHS Number; 0 where it is not about one person's record
    day          TEXT NOT NULL,           -- e.g. 2026-11-02, where the users are
    first_at     INTEGER NOT NULL,        -- milliseconds since 1970, UTC
    last_at      INTEGER NOT NULL,
    counted      INTEGER NOT NULL,
    evidence     TEXT NOT NULL,           -- JSON: ids of records of accesses
    state        TEXT NOT NULL,           -- new, in-review, appropriate, not-appropriate, needs-hr
    raised_at    INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    notes        TEXT NOT NULL,           -- JSON: who, when, state, words
    UNIQUE (rule, actor, organisation, role, patient, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX detection_finding_organisation ON detection_finding (organisation, finding_id);

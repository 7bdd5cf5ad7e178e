-- What became of each submission that a node was sent, for those who sent it.
CREATE TABLE provided_submission (
    unique_id   TEXT PRIMARY KEY,      -- of the SubmissionSet
    sent_by     TEXT NOT NULL,         -- the system
    source_id   TEXT NOT NULL,
    received_at BIGINT NOT NULL,           -- milliseconds since 1970, UTC
    changed_at  BIGINT NOT NULL,
    state       BIGINT NOT NULL,           -- 1 stored, 2 kept until the registry answers, 3 registered, 4 refused
    errors      TEXT NOT NULL,         -- JSON
    queue_no    BIGINT,                    -- the order of what is kept
    submission  BYTEA                     -- JSON, while it is kept
);

CREATE INDEX provided_submission_queue ON provided_submission (queue_no) WHERE queue_no IS NOT NULL;

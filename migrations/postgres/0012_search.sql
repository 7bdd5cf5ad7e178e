-- What is known of each document for the search inside documents: the queue of its index, which is
-- derived and lies in files. A row is written with the change that it follows, so that none is lost.
CREATE TABLE search_document (
    unique_id TEXT PRIMARY KEY,
    patient   BIGINT NOT NULL,           -- NHS Number; 0 until it is indexed, or where there is none
    state     BIGINT NOT NULL,           -- 0 removed, 1 new, 2 to be indexed again, 3 searchable, 4 not
    due_at    BIGINT NOT NULL,           -- of states 0 to 2: not before
    reason    TEXT                        -- of state 4: why
);

CREATE INDEX search_document_waiting ON search_document (state, due_at) WHERE state < 3;

-- The last time that all was indexed again. One row.
CREATE TABLE search_rebuild (
    rebuild_no   BIGINT PRIMARY KEY,      -- 1
    total        BIGINT NOT NULL,
    requested_at BIGINT NOT NULL,
    finished_at  BIGINT
);

INSERT INTO search_document
SELECT unique_id, 0, 2, 0, NULL FROM stored_document WHERE registered = 1;

-- What is known of each document for the search inside documents: the queue of its index, which is
-- derived and lies in files. A row is written with the change that it follows, so that none is lost.
CREATE TABLE search_document (
    unique_id TEXT PRIMARY KEY,
    patient   INTEGER NOT NULL,           -- NHS Number; 0 until it is indexed, or where there is none
    state     INTEGER NOT NULL,           -- 0 removed, 1 new, 2 to be indexed again, 3 searchable, 4 not
    due_at    INTEGER NOT NULL,           -- of states 0 to 2: not before
    reason    TEXT                        -- of state 4: why
) STRICT, WITHOUT ROWID;

CREATE INDEX search_document_waiting ON search_document (state, due_at) WHERE state < 3;

-- The last time that all was indexed again. One row.
CREATE TABLE search_rebuild (
    rebuild_no   INTEGER PRIMARY KEY,      -- 1
    total        INTEGER NOT NULL,
    requested_at INTEGER NOT NULL,
    finished_at  INTEGER
) STRICT;

INSERT INTO search_document
SELECT unique_id, 0, 2, 0, NULL FROM stored_document WHERE registered = 1;

-- What each document says in coded entries, taken out when it is indexed. Derived: gone with the
-- document, and taken again by a rebuild or when the rules have changed.
CREATE TABLE document_element (
    unique_id    TEXT PRIMARY KEY,
    patient      INTEGER NOT NULL,        -- NHS Number that the document was under; 0 for none
    rules        TEXT NOT NULL,           -- the version that they were taken out by
    extracted_at INTEGER NOT NULL,
    state        INTEGER NOT NULL,        -- 0 taken, 1 no coded entries, 2 unreadable, 3 of another patient
    left_out     INTEGER NOT NULL,        -- entries that were not taken
    elements     TEXT                     -- of state 0: JSON, in the order of the document
) STRICT, WITHOUT ROWID;

-- Which local identifier was merged into, or linked with, which other identifier, and whom it led to
-- before. A link that is undone keeps its row.
CREATE TABLE identifier_link (
    link_no         INTEGER PRIMARY KEY,
    authority       TEXT NOT NULL,
    identifier      TEXT NOT NULL,
    with_authority  TEXT NOT NULL,
    with_identifier TEXT NOT NULL,
    merged          INTEGER NOT NULL,     -- 1: given up by a merge; 0: linked
    former_no       INTEGER,              -- the patient_no that it led to; NULL: to nobody
    patient_no      INTEGER NOT NULL,     -- the patient_no that it leads to since
    linked_at       INTEGER NOT NULL,     -- milliseconds since 1970, UTC
    undone_at       INTEGER
) STRICT;

CREATE INDEX identifier_link_of ON identifier_link (authority, identifier);
CREATE INDEX identifier_link_with ON identifier_link (with_authority, with_identifier);

-- Who has an object with a code: queries over all patients (ITI-51) begin here. One row for each
-- code and person, however many objects there are; what is removed may leave its row behind, since
-- every answer is filtered on the objects themselves.

CREATE TABLE code_index (
    code_key   INTEGER NOT NULL,          -- of the SHA-256 of attribute, code and scheme
    patient_no INTEGER NOT NULL,
    PRIMARY KEY (code_key, patient_no)
) STRICT, WITHOUT ROWID;

-- How far the index of what was registered before it has come; no row when nothing is left.
CREATE TABLE code_index_gap (
    kind       INTEGER PRIMARY KEY,
    patient_no INTEGER NOT NULL,          -- up to the object of this place
    sort_key   INTEGER NOT NULL,
    entry_uuid BLOB NOT NULL
) STRICT;

INSERT INTO code_index_gap
SELECT DISTINCT kind, -9223372036854775807, 0, zeroblob(16) FROM registry_object WHERE kind IN (1, 3);

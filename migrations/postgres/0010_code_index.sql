-- Who has an object with a code: queries over all patients (ITI-51) begin here. One row for each
-- code and person, however many objects there are; what is removed may leave its row behind, since
-- every answer is filtered on the objects themselves.

CREATE TABLE code_index (
    code_key   BIGINT NOT NULL,           -- of the SHA-256 of attribute, code and scheme
    patient_no BIGINT NOT NULL,
    PRIMARY KEY (code_key, patient_no)
);

-- How far the index of what was registered before it has come; no row when nothing is left.
CREATE TABLE code_index_gap (
    kind       BIGINT PRIMARY KEY,
    patient_no BIGINT NOT NULL,           -- up to the object of this place
    sort_key   BIGINT NOT NULL,
    entry_uuid BYTEA NOT NULL
);

INSERT INTO code_index_gap
SELECT DISTINCT kind, -9223372036854775807, 0, decode(repeat('00', 16), 'hex')
FROM registry_object WHERE kind IN (1, 3);

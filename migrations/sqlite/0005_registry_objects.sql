-- All objects of a patient in one table, newest first within each kind, so that each stored query
-- is one range of neighbouring pages. Times are stored negative: ascending order is newest first.

CREATE TABLE registry_object (
    patient_no INTEGER NOT NULL,
    kind       INTEGER NOT NULL,          -- 1 entry, 2 submission set, 3 folder, 4 association
    sort_key   INTEGER NOT NULL,          -- minus YYYYMMDDhhmmss of creation or submission, or 0
    entry_uuid BLOB NOT NULL,
    state      INTEGER NOT NULL,          -- bit 0: Deprecated; bit 1: there is a newer version
    version    INTEGER NOT NULL,
    metadata   BLOB,                      -- NULL: too long, in registry_object_overflow
    PRIMARY KEY (patient_no, kind, sort_key, entry_uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE registry_object_overflow (
    entry_uuid BLOB PRIMARY KEY,
    metadata   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Versions after the first; the first one's id is the logical id.
CREATE TABLE object_version (
    logical_id BLOB NOT NULL,
    version    INTEGER NOT NULL,
    entry_uuid BLOB NOT NULL,
    PRIMARY KEY (logical_id, version)
) STRICT, WITHOUT ROWID;

-- From an object to the associations that it is an end of.
CREATE TABLE association_end (
    object_uuid      BLOB NOT NULL,
    association_uuid BLOB NOT NULL,
    PRIMARY KEY (object_uuid, association_uuid)
) STRICT, WITHOUT ROWID;

INSERT INTO registry_object
SELECT patient_no, 1, -creation_time, entry_uuid, availability_status, version, metadata
FROM document_entry;
INSERT INTO registry_object
SELECT patient_no, 2, -submission_time, entry_uuid, 0, 1, metadata FROM submission_set;
INSERT INTO registry_object
SELECT patient_no, 3, 0, entry_uuid, availability_status, version, metadata FROM folder;
INSERT INTO registry_object
SELECT patient_no, 4, 0, entry_uuid, availability_status, 1, metadata FROM association;
INSERT OR IGNORE INTO association_end SELECT source_uuid, entry_uuid FROM association;
INSERT OR IGNORE INTO association_end SELECT target_uuid, entry_uuid FROM association;
UPDATE object_directory SET sort_key = -sort_key;

DROP TABLE document_entry;
DROP TABLE submission_set;
DROP TABLE folder;
DROP TABLE association;

-- Who is who: every identifier of a person, the person's own among them.
CREATE TABLE patient_identifier (
    authority  TEXT NOT NULL,
    identifier TEXT NOT NULL,
    patient_no INTEGER NOT NULL,
    PRIMARY KEY (authority, identifier)
) STRICT, WITHOUT ROWID;

CREATE INDEX patient_identifier_of ON patient_identifier (patient_no);

INSERT INTO patient_identifier SELECT authority, identifier, patient_no FROM patient;

ALTER TABLE patient ADD COLUMN merged_into INTEGER;  -- the patient_no that this one now is part of

CREATE INDEX patient_merged_into ON patient (merged_into) WHERE merged_into IS NOT NULL;

-- What was merged when; a merge that is undone keeps its row.
CREATE TABLE patient_merge (
    merge_no      INTEGER PRIMARY KEY,
    subsumed_no   INTEGER NOT NULL,
    surviving_no  INTEGER NOT NULL,
    merged_at     INTEGER NOT NULL,       -- milliseconds since 1970, UTC
    undone_at     INTEGER
) STRICT;

-- Codes that the affinity domain does not have, by who sent them.
CREATE TABLE unmapped_code (
    source_id TEXT NOT NULL,
    attribute TEXT NOT NULL,
    code      TEXT NOT NULL,
    scheme    TEXT NOT NULL,
    uses      INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    PRIMARY KEY (source_id, attribute, code, scheme)
) STRICT, WITHOUT ROWID;

-- Queries in XDS are about one patient: every table that lists is keyed by patient, so that a list
-- is one range of neighbouring pages. Objects hold their whole metadata as one encoded value.

CREATE TABLE patient (
    patient_no   INTEGER PRIMARY KEY,
    authority    TEXT NOT NULL,           -- OID of the assigning authority
    identifier   TEXT NOT NULL,
    nhs_number   INTEGER UNIQUE,
    demographics TEXT,                    -- JSON; NULL while only the number is known
    UNIQUE (authority, identifier)
) STRICT;

CREATE TABLE document_entry (
    patient_no          INTEGER NOT NULL,
    creation_time       INTEGER NOT NULL, -- YYYYMMDDhhmmss padded to the earliest second
    entry_uuid          BLOB NOT NULL,
    availability_status INTEGER NOT NULL, -- 0 Approved, 1 Deprecated
    version             INTEGER NOT NULL,
    metadata            BLOB NOT NULL,
    PRIMARY KEY (patient_no, creation_time DESC, entry_uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE submission_set (
    patient_no      INTEGER NOT NULL,
    submission_time INTEGER NOT NULL,
    entry_uuid      BLOB NOT NULL,
    metadata        BLOB NOT NULL,
    PRIMARY KEY (patient_no, submission_time DESC, entry_uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE folder (
    patient_no          INTEGER NOT NULL,
    entry_uuid          BLOB NOT NULL,
    availability_status INTEGER NOT NULL,
    version             INTEGER NOT NULL,
    metadata            BLOB NOT NULL,
    PRIMARY KEY (patient_no, entry_uuid)
) STRICT, WITHOUT ROWID;

CREATE TABLE association (
    patient_no          INTEGER NOT NULL,
    entry_uuid          BLOB NOT NULL,
    source_uuid         BLOB NOT NULL,
    target_uuid         BLOB NOT NULL,
    association_type    INTEGER NOT NULL,
    availability_status INTEGER NOT NULL,
    metadata            BLOB NOT NULL,
    PRIMARY KEY (patient_no, entry_uuid)
) STRICT, WITHOUT ROWID;

-- From an id to the patient under whom the object lies: look-ups by id never scan.
CREATE TABLE object_directory (
    entry_uuid BLOB PRIMARY KEY,
    kind       INTEGER NOT NULL,          -- 1 entry, 2 submission set, 3 folder, 4 association
    patient_no INTEGER NOT NULL,
    sort_key   INTEGER NOT NULL           -- creation or submission time; 0 where there is none
) STRICT, WITHOUT ROWID;

CREATE TABLE unique_id_directory (
    unique_id  TEXT NOT NULL,
    entry_uuid BLOB NOT NULL,
    kind       INTEGER NOT NULL,
    hash       TEXT,                      -- lower case; entries only
    size_bytes INTEGER,
    PRIMARY KEY (unique_id, entry_uuid)
) STRICT, WITHOUT ROWID;

-- A repeat of a submission is told from another one with the same id by its digest.
CREATE TABLE submission (
    unique_id     TEXT PRIMARY KEY,
    digest        BLOB NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    changed_at INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    verb       TEXT NOT NULL,             -- registered, deprecated, updated
    entry_uuid BLOB NOT NULL,
    patient_no INTEGER NOT NULL
) STRICT;

CREATE TABLE consent_record (
    id          BLOB NOT NULL,
    version     INTEGER NOT NULL,
    nhs_number  INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    record      TEXT NOT NULL,            -- JSON
    PRIMARY KEY (id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX consent_record_subject ON consent_record (nhs_number, id, version DESC);

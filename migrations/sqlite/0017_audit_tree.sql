-- The Merkle tree over the audit records (RFC 9162, 2.1): the leaf of each record, the nodes that are
-- kept, the signed heads. docs/audit.md says what each proves.

-- SHA-256 over 0x00 and the record's entry; NULL in records that are older than the tree, whose
-- leaves are made from the row.
ALTER TABLE audit_event ADD COLUMN leaf BLOB;

-- The hash over each whole subtree of 256, 65,536, … records.
CREATE TABLE audit_node (
    level   INTEGER NOT NULL,        -- 1 over 256 leaves, 2 over 256 nodes of level 1, …
    node_no INTEGER NOT NULL,        -- from 0, left to right
    hash    BLOB NOT NULL,
    PRIMARY KEY (level, node_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_head (
    tree_size INTEGER PRIMARY KEY,   -- over records 1 to this one
    made_at   INTEGER NOT NULL,      -- milliseconds since 1970, UTC
    root      BLOB NOT NULL,
    key_id    TEXT NOT NULL,
    signature BLOB NOT NULL
) STRICT;

-- The public keys that have signed heads, each vouched for by the one before.
CREATE TABLE audit_key (
    public_key BLOB PRIMARY KEY,     -- Ed25519
    made_at    INTEGER NOT NULL,
    signed_by  BLOB NOT NULL,        -- itself, for the first
    signature  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the name of this log, which every head carries.
CREATE TABLE audit_log_identity (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    log_id   BLOB NOT NULL
) STRICT;

-- How far each witness has been told.
CREATE TABLE audit_witness (
    name      TEXT PRIMARY KEY,
    tree_size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_node_is_not_changed BEFORE UPDATE ON audit_node
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER audit_node_is_not_deleted BEFORE DELETE ON audit_node
BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;
CREATE TRIGGER audit_head_is_not_changed BEFORE UPDATE ON audit_head
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER audit_head_is_not_deleted BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;
CREATE TRIGGER audit_key_is_not_changed BEFORE UPDATE ON audit_key
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;
CREATE TRIGGER audit_key_is_not_deleted BEFORE DELETE ON audit_key
BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;

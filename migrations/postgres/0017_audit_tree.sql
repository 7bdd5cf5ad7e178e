-- The Merkle tree over the audit records (RFC 9162, 2.1): the leaf of each record, the nodes that are
-- kept, the signed heads. docs/audit.md says what each proves.

-- SHA-256 over 0x00 and the record's entry; NULL in records that are older than the tree, whose
-- leaves are made from the row.
ALTER TABLE audit_event ADD COLUMN leaf BYTEA;

-- The hash over each whole subtree of 256, 65,536, … records.
CREATE TABLE audit_node (
    level   BIGINT NOT NULL,         -- 1 over 256 leaves, 2 over 256 nodes of level 1, …
    node_no BIGINT NOT NULL,         -- from 0, left to right
    hash    BYTEA NOT NULL,
    PRIMARY KEY (level, node_no)
);

CREATE TABLE audit_head (
    tree_size BIGINT PRIMARY KEY,    -- over records 1 to this one
    made_at   BIGINT NOT NULL,       -- milliseconds since 1970, UTC
    root      BYTEA NOT NULL,
    key_id    TEXT NOT NULL,
    signature BYTEA NOT NULL
);

-- The public keys that have signed heads, each vouched for by the one before.
CREATE TABLE audit_key (
    public_key BYTEA PRIMARY KEY,    -- Ed25519
    made_at    BIGINT NOT NULL,
    signed_by  BYTEA NOT NULL,       -- itself, for the first
    signature  BYTEA NOT NULL
);

-- One row: the name of this log, which every head carries.
CREATE TABLE audit_log_identity (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    log_id   BYTEA NOT NULL
);

-- How far each witness has been told.
CREATE TABLE audit_witness (
    name      TEXT PRIMARY KEY,
    tree_size BIGINT NOT NULL
);

CREATE TRIGGER audit_node_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_node
FOR EACH STATEMENT EXECUTE FUNCTION audit_records_are_kept();
CREATE TRIGGER audit_head_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION audit_records_are_kept();
CREATE TRIGGER audit_key_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_key
FOR EACH STATEMENT EXECUTE FUNCTION audit_records_are_kept();

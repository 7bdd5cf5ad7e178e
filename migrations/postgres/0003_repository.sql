CREATE TABLE stored_document (
    unique_id   TEXT PRIMARY KEY,
    object_key  TEXT NOT NULL,
    mime_type   TEXT NOT NULL,
    size_bytes  BIGINT  NOT NULL,
    sha1        TEXT NOT NULL,            -- lower case hex
    sha256      TEXT NOT NULL,
    registered  BIGINT  NOT NULL,         -- 0 until the registry has said yes
    stored_at   BIGINT  NOT NULL,
    metadata    BYTEA NOT NULL             -- the entry as registered: what the decision needs
);

CREATE INDEX stored_document_pending ON stored_document (stored_at) WHERE registered = 0;
CREATE INDEX stored_document_object ON stored_document (object_key);

CREATE TABLE stored_document (
    unique_id   TEXT PRIMARY KEY,
    object_key  TEXT NOT NULL,
    mime_type   TEXT NOT NULL,
    size_bytes  INTEGER NOT NULL,
    sha1        TEXT NOT NULL,            -- lower case hex
    sha256      TEXT NOT NULL,
    registered  INTEGER NOT NULL,         -- 0 until the registry has said yes
    stored_at   INTEGER NOT NULL,
    metadata    BLOB NOT NULL             -- the entry as registered: what the decision needs
) STRICT, WITHOUT ROWID;

CREATE INDEX stored_document_pending ON stored_document (stored_at) WHERE registered = 0;
CREATE INDEX stored_document_object ON stored_document (object_key);

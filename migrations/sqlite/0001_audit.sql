-- The record of every message. Append only: no statement of the product updates or deletes here.
CREATE TABLE audit_event (
    seq          INTEGER PRIMARY KEY,     -- gapless in this database
    recorded_at  INTEGER NOT NULL,        -- milliseconds since 1970, UTC
    nhs_number   INTEGER,                 -- the subject, when there is one
    actor        TEXT,                    -- the user or system
    organisation TEXT,                    -- ODS code of the actor
    interaction  TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    record       TEXT NOT NULL,           -- the whole event as JSON
    hash         BLOB NOT NULL            -- SHA-256 over the previous hash and the record
) STRICT;

CREATE INDEX audit_event_subject ON audit_event (nhs_number, seq) WHERE nhs_number IS NOT NULL;
CREATE INDEX audit_event_actor ON audit_event (actor, seq);

CREATE TRIGGER audit_event_is_not_changed BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END;

CREATE TRIGGER audit_event_is_not_deleted BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit records are never deleted'); END;

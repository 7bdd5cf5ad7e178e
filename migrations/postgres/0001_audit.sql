-- The record of every message. Append only: no statement of the product updates or deletes here.
CREATE TABLE audit_event (
    seq          BIGINT PRIMARY KEY,      -- gapless in this database
    recorded_at  BIGINT NOT NULL,         -- milliseconds since 1970, UTC
    nhs_number   BIGINT,                  -- the subject, when there is one
    actor        TEXT,                    -- the user or system
    organisation TEXT,                    -- ODS code of the actor
    interaction  TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    record       TEXT NOT NULL,           -- the whole event as JSON
    hash         BYTEA NOT NULL           -- SHA-256 over the previous hash and the record
);

CREATE INDEX audit_event_subject ON audit_event (nhs_number, seq) WHERE nhs_number IS NOT NULL;
CREATE INDEX audit_event_actor ON audit_event (actor, seq);

CREATE FUNCTION audit_records_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit records are never changed or deleted';
END $$;

CREATE TRIGGER audit_event_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
FOR EACH STATEMENT EXECUTE FUNCTION audit_records_are_kept();

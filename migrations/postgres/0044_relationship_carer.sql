-- Who cares for whom now, by organisation: of each relationship that is to be believed its newest version,
-- so that an organisation's own patients can be listed.
CREATE TABLE relationship_carer (
    id           BYTEA NOT NULL PRIMARY KEY,
    version      BIGINT NOT NULL,
    organisation TEXT NOT NULL,
    user_id      TEXT,                    -- of one person; without it of everybody there
    since        BIGINT NOT NULL,         -- milliseconds
    until        BIGINT
);

INSERT INTO relationship_carer
SELECT id, version,
       coalesce(record::json -> 'with' ->> 'organisation', record::json -> 'with' -> 'person' ->> 'organisation'),
       record::json -> 'with' -> 'person' ->> 'user_id',
       floor(extract(epoch FROM (record::json ->> 'since')::timestamptz))::bigint * 1000,
       floor(extract(epoch FROM (record::json ->> 'until')::timestamptz))::bigint * 1000
FROM relationship AS r
WHERE version = (SELECT max(version) FROM relationship WHERE id = r.id)
  AND record::json ->> 'status' = 'active';

CREATE INDEX relationship_carer_newest ON relationship_carer (organisation, since, id);

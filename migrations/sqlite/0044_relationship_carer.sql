-- Who cares for whom now, by organisation: of each relationship that is to be believed its newest version,
-- so that an organisation's own patients can be listed.
CREATE TABLE relationship_carer (
    id           BLOB NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    organisation TEXT NOT NULL,
    user_id      TEXT,                    -- of one person; without it of everybody there
    since        INTEGER NOT NULL,        -- milliseconds
    until        INTEGER
) STRICT, WITHOUT ROWID;

INSERT INTO relationship_carer
SELECT id, version,
       coalesce(json_extract(record, '$.with.organisation'), json_extract(record, '$.with.person.organisation')),
       json_extract(record, '$.with.person.user_id'),
       CAST(strftime('%s', json_extract(record, '$.since')) AS INTEGER) * 1000,
       CAST(strftime('%s', json_extract(record, '$.until')) AS INTEGER) * 1000
FROM relationship AS r
WHERE version = (SELECT max(version) FROM relationship WHERE id = r.id)
  AND json_extract(record, '$.status') = 'active';

CREATE INDEX relationship_carer_newest ON relationship_carer (organisation, since, id);

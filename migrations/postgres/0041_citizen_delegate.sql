-- To whom a record is open as a proxy, so that they can be told whose it is.
ALTER TABLE citizen_grant ADD COLUMN delegate BIGINT;

UPDATE citizen_grant
SET delegate = (record::json -> 'kind' -> 'proxy' ->> 'delegate')::bigint
WHERE record::json -> 'kind' -> 'proxy' IS NOT NULL;

CREATE INDEX citizen_grant_delegate ON citizen_grant (delegate, id, version DESC);

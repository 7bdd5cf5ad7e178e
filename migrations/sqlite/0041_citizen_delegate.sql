-- To whom a record is open as a proxy, so that they can be told whose it is.
ALTER TABLE citizen_grant ADD COLUMN delegate INTEGER;

UPDATE citizen_grant
SET delegate = CAST(json_extract(record, '$.kind.proxy.delegate') AS INTEGER)
WHERE json_extract(record, '$.kind.proxy.delegate') IS NOT NULL;

CREATE INDEX citizen_grant_delegate ON citizen_grant (delegate, id, version DESC);

-- When the objects of a person were last changed, for searches by _lastUpdated: read from the index
-- alone.

CREATE INDEX change_of_patient ON change (patient_no, entry_uuid, changed_at);

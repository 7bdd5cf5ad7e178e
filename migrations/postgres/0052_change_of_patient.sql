-- The last change of a person's objects tells one state of their record from another, and is looked up
-- for each search; when each object was last changed is still read from the index alone.

DROP INDEX change_of_patient;
CREATE INDEX change_of_patient ON change (patient_no, seq, entry_uuid, changed_at);

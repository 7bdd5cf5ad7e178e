-- Which keys are in use, and which objects are not in the current one's wrapping yet.
CREATE INDEX stored_document_wrapping ON stored_document (wrapping_key_id, unique_id)
    WHERE wrapping_key_id IS NOT NULL;

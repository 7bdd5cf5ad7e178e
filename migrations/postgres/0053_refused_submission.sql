-- Submissions that the registry refused can be kept for another try: their documents stand with
-- registered = 5.
ALTER TABLE provided_submission ADD COLUMN request_id TEXT;  -- of the request that brought it, while it is kept

CREATE INDEX provided_submission_refused ON provided_submission (request_id)
    WHERE request_id IS NOT NULL;
CREATE INDEX provided_submission_refused_at ON provided_submission (changed_at)
    WHERE request_id IS NOT NULL;
CREATE INDEX stored_document_refused ON stored_document (stored_at, size_bytes) WHERE registered = 5;

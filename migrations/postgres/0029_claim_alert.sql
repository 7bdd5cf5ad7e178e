-- What was granted: 'override', or 'claim' of a relationship, which opens nothing by itself.
ALTER TABLE override_grant ADD COLUMN kind TEXT NOT NULL DEFAULT 'override';

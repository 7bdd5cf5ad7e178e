-- Who cares for whom, how that came about, since when and until when: every version.
CREATE TABLE relationship (
    id          BYTEA NOT NULL,
    version     BIGINT NOT NULL,
    nhs_number  BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    record      TEXT NOT NULL,            -- JSON
    PRIMARY KEY (id, version)
);

CREATE INDEX relationship_subject ON relationship (nhs_number, id, version DESC);

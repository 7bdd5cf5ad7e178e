-- Which citizens may see whose record: their own, as proxies, or nobody. Every version.
CREATE TABLE citizen_grant (
    id          BYTEA NOT NULL,
    version     BIGINT NOT NULL,
    nhs_number  BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    record      TEXT NOT NULL,            -- JSON
    PRIMARY KEY (id, version)
);

CREATE INDEX citizen_grant_subject ON citizen_grant (nhs_number, id, version DESC);

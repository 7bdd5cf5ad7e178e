-- Who has opened a closed record, why and until when; and who is told and reviews it.
CREATE TABLE override_grant (
    override_id     BYTEA PRIMARY KEY,
    user_id         TEXT NOT NULL,
    user_name       TEXT NOT NULL,
    organisation    TEXT NOT NULL,
    role            TEXT NOT NULL,
    role_profile_id TEXT NOT NULL,
    session_id      TEXT,
    patient         BIGINT NOT NULL,      -- NHS Number
    reason          TEXT NOT NULL,
    words           TEXT,
    reference       TEXT,
    granted_at      BIGINT NOT NULL,      -- milliseconds since 1970, UTC
    until           BIGINT NOT NULL
);

CREATE INDEX override_grant_person ON override_grant (user_id, patient);

CREATE TABLE privacy_alert (
    alert_id     BYTEA PRIMARY KEY,
    override_id  BYTEA NOT NULL,
    organisation TEXT NOT NULL,           -- whose privacy officers are told
    state        TEXT NOT NULL,           -- new, in-review, appropriate, not-appropriate, needs-hr
    raised_at    BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    notes        TEXT NOT NULL,           -- JSON: who, when, state, words
    UNIQUE (override_id, organisation)
);

CREATE INDEX privacy_alert_organisation ON privacy_alert (organisation, raised_at);

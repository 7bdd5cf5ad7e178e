-- Who has opened a closed record, why and until when; and who is told and reviews it.
CREATE TABLE override_grant (
    override_id     BLOB PRIMARY KEY,
    user_id         TEXT NOT NULL,
    user_name       TEXT NOT NULL,
    organisation    TEXT NOT NULL,
    role            TEXT NOT NULL,
    role_profile_id TEXT NOT NULL,
    session_id      TEXT,
    patient         INTEGER NOT NULL,      -- NHS Number
    reason          TEXT NOT NULL,
    words           TEXT,
    reference       TEXT,
    granted_at      INTEGER NOT NULL,      -- milliseconds since 1970, UTC
    until           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX override_grant_person ON override_grant (user_id, patient);

CREATE TABLE privacy_alert (
    alert_id     BLOB PRIMARY KEY,
    override_id  BLOB NOT NULL,
    organisation TEXT NOT NULL,           -- whose privacy officers are told
    state        TEXT NOT NULL,           -- new, in-review, appropriate, not-appropriate, needs-hr
    raised_at    INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    notes        TEXT NOT NULL,           -- JSON: who, when, state, words
    UNIQUE (override_id, organisation)
) STRICT, WITHOUT ROWID;

CREATE INDEX privacy_alert_organisation ON privacy_alert (organisation, raised_at);

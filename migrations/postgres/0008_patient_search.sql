-- By what people are looked for who are not known by an identifier. Made from the demographics, by
-- the registry: keys are names without case and accents, which SQL cannot make. Keys are compared by
-- their bytes, as on SQLite.

CREATE TABLE patient_search (
    patient_no  BIGINT PRIMARY KEY,
    family_key  TEXT COLLATE "C",
    family_name TEXT,                     -- as told, for searches to the letter
    birth_date  BIGINT,                   -- YYYYMMDD
    gender      BIGINT NOT NULL,          -- 0 unknown, 1 female, 2 male, 3 other
    postcode_key TEXT COLLATE "C"        -- of who is restricted, none
);

CREATE INDEX patient_search_family ON patient_search (family_key, birth_date);
CREATE INDEX patient_search_born ON patient_search (birth_date, family_key);
CREATE INDEX patient_search_postcode ON patient_search (postcode_key, birth_date)
    WHERE postcode_key IS NOT NULL;

CREATE TABLE patient_given_name (
    given_key  TEXT COLLATE "C" NOT NULL,
    patient_no BIGINT NOT NULL,
    given_name TEXT NOT NULL,             -- as told
    PRIMARY KEY (given_key, patient_no, given_name)
);

CREATE INDEX patient_given_name_of ON patient_given_name (patient_no, given_key);

-- How far the people known before this have come: up to this number they are in. Empty when all are.
CREATE TABLE patient_search_gap (
    patient_no BIGINT PRIMARY KEY
);

INSERT INTO patient_search_gap
SELECT -1 WHERE EXISTS (SELECT 1 FROM patient WHERE demographics IS NOT NULL);

//! The 56 ways past consent, and what tests that each is shut. The numbers are those of the threat
//! list that `docs/threats.md` explains: A by id, B by graph, C by side channel, D by identity and
//! federation, E by time and state.

/// What is known of a way past.
pub enum Row {
    /// Tests, by name, that fail when it is open.
    Tested(&'static [&'static str]),
    /// Tested as far as it goes, and what is left.
    Partly(&'static [&'static str], &'static str),
}

use Row::{Partly, Tested};

const QUERIES: &str = "stored_queries_tell_nothing_of_what_is_withheld";
const BY_ID: &str = "objects_by_id_tell_nothing_of_what_is_withheld";
const FHIR: &str = "fhir_tells_nothing_of_what_is_withheld";
const DOORS: &str = "other_doors_tell_nothing_of_what_is_withheld";
const TIME: &str = "time_tells_nothing_of_what_is_withheld";
const HEADERS: &str = "headers_of_a_proxy_say_nothing_of_who_calls";
const OBJECTIONS: &str = "an_objection_holds_from_the_next_request_until_it_is_lifted";
const LABELS: &str = "rules_label_and_withhold_on_every_door";
const MERGE: &str = "a_merge_by_hl7_v3_holds_on_every_door";
const THIRD_PARTY: &str = "a_third_partys_documents_come_whole_or_not_at_all";
const ASSERTED: &str = "the_decision_is_about_the_person";

/// Number, what it is, and what tests it.
pub const ROWS: [(u8, &str, Row); 56] = [
    (1, "GetDocuments by uniqueId and entryUUID", Tested(&[BY_ID, QUERIES, OBJECTIONS])),
    (2, "GetAll", Tested(&[QUERIES, OBJECTIONS])),
    (3, "GetDocumentsAndAssociations", Tested(&[BY_ID])),
    (4, "GetAssociations", Tested(&[BY_ID])),
    (5, "GetSubmissionSets", Tested(&[BY_ID])),
    (6, "GetSubmissionSetAndContents", Tested(&[BY_ID])),
    (7, "GetFolders", Tested(&[BY_ID])),
    (8, "GetFolderAndContents", Tested(&[BY_ID])),
    (9, "GetFoldersForDocument", Tested(&[BY_ID])),
    (10, "GetRelatedDocuments, either end hidden", Tested(&[BY_ID])),
    (11, "FindDocumentsByReferenceId", Tested(&[QUERIES])),
    (12, "FindSubmissionSets and FindFolders, also by author", Tested(&[QUERIES])),
    (
        13,
        "queries over many patients",
        Tested(&[QUERIES, "q7_what_is_withheld_of_another_patient_is_not_told"]),
    ),
    (14, "ITI-43 by an id that was never queried", Tested(&[DOORS, LABELS])),
    (15, "ITI-43 of one permitted and one forbidden", Tested(&[DOORS])),
    (16, "reads and searches of MHD in every way", Tested(&[FHIR])),
    (
        17,
        "old versions, deprecated and replaced entries",
        Partly(
            &[BY_ID, QUERIES],
            "versions of ITI-57 at $MetadataLevel 2 are asked for; a label that only an old version had is decided by that version",
        ),
    ),
    (
        18,
        "snapshots of on-demand entries",
        Partly(
            &["what_is_made_on_demand_has_an_id_of_its_own"],
            "an entry that is withheld makes nothing: by the same decision, not by a test of its own",
        ),
    ),
    (19, "associations of hidden objects as ObjectRef", Tested(&[BY_ID])),
    (
        20,
        "folders of mixed content",
        Partly(
            &[BY_ID, QUERIES],
            "lastUpdateTime of a folder moves when a hidden document is added to it",
        ),
    ),
    (21, "titles, comments, authors and recipients of sets", Tested(&[BY_ID, QUERIES, FHIR])),
    (
        22,
        "folders and associations across patients",
        Tested(&[
            BY_ID,
            "v3_other_patients_folders_are_closed",
            "v4_other_patients_documents_cannot_be_related_to",
        ]),
    ),
    (
        23,
        "replacing what the writer cannot see",
        Partly(&[BY_ID], "who publishes learns that an entryUUID is in use; they are random"),
    ),
    (
        24,
        "uniqueIds that are taken",
        Partly(&[BY_ID], "who publishes learns that an id is in use, and nothing of what has it"),
    ),
    (
        25,
        "merges of patients",
        Tested(&[
            MERGE,
            "an_objection_under_either_number_counts_for_both",
            "what_was_said_under_either_number_is_lifted_under_the_surviving_one",
        ]),
    ),
    (26, "replacement with a lower label", Tested(&[BY_ID, "labels_only_rise_and_tags_are_added"])),
    (27, "counts, totals and pages", Tested(&[FHIR, QUERIES, OBJECTIONS])),
    (
        28,
        "snippets and scores of searches inside",
        Tested(&[FHIR, DOORS, "a_document_that_is_withheld_changes_nothing"]),
    ),
    (
        29,
        "order and cursors",
        Tested(&[FHIR, "pages_are_links_that_name_nobody_and_are_the_callers_own"]),
    ),
    (
        30,
        "time",
        Partly(
            &[TIME],
            "reads by FHIR, and ITI-43 by the same code; a query by id at the registry takes longer where there is something",
        ),
    ),
    (
        31,
        "error texts and codes",
        Tested(&[
            FHIR,
            DOORS,
            QUERIES,
            "an_error_of_the_registry_keeps_its_code_and_loses_its_context",
        ]),
    ),
    (32, "ETag, 304, Last-Modified", Tested(&[FHIR])),
    (33, "ranges", Tested(&[FHIR])),
    (
        34,
        "notifications",
        Partly(
            &[DOORS, "the_pages_ask_why_and_the_inbox_has_it"],
            "the change feed is closed to all but roles, alerts name no document, and nobody can subscribe; DSUB is not built",
        ),
    ),
    (
        35,
        "exports, metrics, traces, logs",
        Partly(&[FHIR], "metrics and logs; exports of audit and of a node are for operators"),
    ),
    (36, "thumbnails and caches of pictures", Tested(&["what_was_shown_is_not_kept"])),
    (
        37,
        "caches of browsers, back after sign-out",
        Tested(&[FHIR, "signing_out_at_the_provider_ends_everything_at_once"]),
    ),
    (
        38,
        "the viewer of the audit shows titles",
        Tested(&[LOOKING, "the_pages_ask_why_and_the_inbox_has_it"]),
    ),
    (
        39,
        "a purpose or role that is only asserted",
        Tested(&[ASSERTED, FHIR, "an_assertion_says_no_more_than_it_says"]),
    ),
    (
        40,
        "break glass",
        Tested(&[
            FHIR,
            "a_closed_record_is_opened_with_a_reason_and_reviewed",
            "an_override_changes_nothing_else",
        ]),
    ),
    (
        41,
        "home communities",
        Partly(
            &["a_community_that_is_named_opens_nothing", THIRD_PARTY],
            "one that a request, an entry or an answer names changes nothing; cross-community access (XCA) is not built",
        ),
    ),
    (42, "gateways under their own identity", Tested(&["the_person_of_an_assertion_is_who_acts"])),
    (
        43,
        "a token for A used at B",
        Tested(&[ASSERTED, "tokens_are_taken_only_from_the_provider_for_us_and_now"]),
    ),
    (
        44,
        "replays, and the edges of clocks",
        Tested(&[
            "an_assertion_is_used_by_one_peer_and_where_it_says_so_once",
            "every_forgery_is_refused_for_its_reason",
        ]),
    ),
    (45, "proxies past their end", Tested(&[PROXIES, "a_proxy_is_let_in_until_the_birthday"])),
    (
        46,
        "an emergency role for research",
        Tested(&[FHIR, "who_may_override_is_the_policys_to_say"]),
    ),
    (47, "headers that a proxy would set", Tested(&[HEADERS])),
    (
        48,
        "stale permits after a withdrawal",
        Tested(&[OBJECTIONS, "an_objection_acts_on_the_next_search"]),
    ),
    (49, "lag of replicas", Tested(&["a_database_that_takes_no_writes_gives_nothing"])),
    (
        50,
        "a stream that is under way",
        Partly(
            &[OBJECTIONS],
            "the rule is: what has begun ends, and the next read is decided anew",
        ),
    ),
    (
        51,
        "cursors and long polls under an old decision",
        Tested(&[DOORS, "pages_are_whole_exact_and_nobody_elses"]),
    ),
    (
        52,
        "a policy half reloaded",
        Partly(
            &["rules_on_disk_count_whole_at_the_next_start"],
            "read whole at the start, and not again; roles that run apart go by the rules that each was started with",
        ),
    ),
    (
        53,
        "no facts, no answer",
        Tested(&[
            "a_fact_that_cannot_be_had_is_a_no",
            "without_a_registry_nothing_looks_empty",
            "a_store_that_fails_opens_nothing",
        ]),
    ),
    (
        54,
        "unknown codes, no label, an empty policy",
        Tested(&[
            "labels_are_held_against_the_role_and_stay_untold",
            "policies_that_contradict_themselves_are_refused",
            "no_agreement_no_flow",
        ]),
    ),
    (
        55,
        "edges of a consent's period",
        Tested(&[
            "lifted_and_ended_objections_do_not_count",
            "explicit_model_asks_for_a_permission_in_force",
        ]),
    ),
    (
        56,
        "between check and use",
        Partly(
            &[OBJECTIONS],
            "the registry decides in the snapshot that it reads from; the portal's facts and listing are two reads",
        ),
    ),
];

/// What looks for a way past each route, or why there is none.
pub enum Way {
    By(&'static str),
    /// It has nothing about a patient's documents.
    None(&'static str),
}

pub const ROUTES: &[(&str, &str, Way)] = &[
    ("registry", "POST /xds/registry", Way::By(QUERIES)),
    ("registry", "POST /peer/relationship", Way::None(FOR_ROLES)),
    ("registry", "POST /peer/relationship/update", Way::None(FOR_ROLES)),
    ("registry", "POST /peer/relationship/cared-for", Way::None(FOR_ROLES)),
    ("registry", "POST /peer/citizen-grant", Way::None(FOR_ROLES)),
    ("registry", "POST /peer/citizen-grant/update", Way::None(FOR_ROLES)),
    ("registry", "POST /xds/identity", Way::None("tells nothing; it takes the identity feed")),
    ("registry", "GET /changes", Way::By(DOORS)),
    ("registry", "POST /peer/consent", Way::By(DOORS)),
    ("registry", "POST /peer/consent/update", Way::By(DOORS)),
    ("registry", "POST /peer/feeds", Way::None(NO_PATIENT)),
    ("node", "POST /peer/feeds", Way::None(NO_PATIENT)),
    ("node", "POST /peer/refused", Way::None(NO_PATIENT)),
    ("node", "POST /peer/refused/again", Way::None(NO_PATIENT)),
    ("fhir", "GET /fhir/$feeds", Way::None(NO_PATIENT)),
    ("fhir", "GET /fhir/$usage", Way::None(NO_PATIENT)),
    ("fhir", "POST /fhir/$try-again", Way::None(NO_PATIENT)),
    ("registry", "POST /peer/audit", Way::By(LOOKING)),
    ("registry", "POST /peer/last-changes", Way::None("ids and times, for roles alone")),
    ("registry", "POST /peer/patient", Way::By(DOORS)),
    ("registry", "POST /peer/identifier", Way::By(DOORS)),
    ("registry", "POST /peer/patient/search", Way::By(DOORS)),
    ("node", "POST /xds/repository", Way::By(DOORS)),
    ("node", "GET /submissions/{id}", Way::None("tells senders of their own submissions alone")),
    ("node", "POST /peer/audit", Way::By(LOOKING)),
    ("node", "POST /peer/search", Way::By(DOORS)),
    ("node", "POST /peer/elements", Way::By(DOORS)),
    ("fhir", "POST /oauth/token", Way::None("tells who may ask, and nothing of a patient")),
    ("fhir", "POST /oauth/introspect", Way::None("tells who may ask, and nothing of a patient")),
    ("fhir", "POST /oauth/authorization", Way::By(APPS)),
    ("fhir", "POST /oauth/sign-out", Way::None("ends sessions")),
    ("fhir", "POST /oauth/back-channel-logout", Way::None("ends sessions")),
    ("fhir", "POST /oauth/back-channel-logout/{id}", Way::None("ends sessions")),
    ("fhir", "GET /oauth/jwks", Way::None("the same for everybody")),
    ("fhir", "GET /.well-known/oauth-authorization-server", Way::None("the same for everybody")),
    ("fhir", "GET /fhir/.well-known/smart-configuration", Way::None("the same for everybody")),
    ("fhir", "POST /fhir/Patient/$claim-relationship", Way::By(WHO_CARES)),
    ("fhir", "POST /fhir/Patient/$citizen-access", Way::By(PROXIES)),
    ("fhir", "GET /fhir/EpisodeOfCare", Way::None(NO_DOCUMENT)),
    ("fhir", "POST /fhir/EpisodeOfCare", Way::None(NO_DOCUMENT)),
    ("fhir", "POST /fhir/EpisodeOfCare/_search", Way::None(NO_DOCUMENT)),
    ("fhir", "GET /fhir/EpisodeOfCare/{id}", Way::None(NO_DOCUMENT)),
    ("fhir", "PUT /fhir/EpisodeOfCare/{id}", Way::None(NO_DOCUMENT)),
    ("fhir", "GET /fhir/metadata", Way::None("the same for everybody")),
    ("fhir", "GET /fhir/DocumentReference", Way::By(FHIR)),
    ("fhir", "POST /fhir/DocumentReference", Way::By(PUBLISHED)),
    ("fhir", "POST /fhir/DocumentReference/$generate-metadata", Way::By(PUBLISHED)),
    ("fhir", "POST /fhir/DocumentReference/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/DocumentReference/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/List", Way::By(FHIR)),
    ("fhir", "POST /fhir/List/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/List/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Binary/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/AllergyIntolerance", Way::By(FHIR)),
    ("fhir", "POST /fhir/AllergyIntolerance/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/AllergyIntolerance/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Condition", Way::By(FHIR)),
    ("fhir", "POST /fhir/Condition/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/Condition/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/MedicationStatement", Way::By(FHIR)),
    ("fhir", "POST /fhir/MedicationStatement/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/MedicationStatement/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/MedicationRequest", Way::By(FHIR)),
    ("fhir", "POST /fhir/MedicationRequest/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/MedicationRequest/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Immunization", Way::By(FHIR)),
    ("fhir", "POST /fhir/Immunization/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/Immunization/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Observation", Way::By(FHIR)),
    ("fhir", "POST /fhir/Observation/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/Observation/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Encounter", Way::By(FHIR)),
    ("fhir", "POST /fhir/Encounter/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/Encounter/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Provenance", Way::By(FHIR)),
    ("fhir", "POST /fhir/Provenance/_search", Way::By(FHIR)),
    ("fhir", "GET /fhir/Provenance/{id}", Way::By(FHIR)),
    ("fhir", "GET /fhir/Patient", Way::None("who people are, and no document")),
    ("fhir", "POST /fhir/Patient/_search", Way::None("who people are, and no document")),
    ("fhir", "GET /fhir/Patient/{id}", Way::None("who people are, and no document")),
    ("fhir", "GET /fhir/Patient/$ihe-pix", Way::None("identifiers, and no document")),
    ("fhir", "POST /fhir/Patient/$ihe-pix", Way::None("identifiers, and no document")),
    ("fhir", "POST /fhir/Patient/$match", Way::None("who people are, and no document")),
    ("fhir", "POST /fhir/Patient/$break-glass", Way::By(FHIR)),
    ("fhir", "POST /fhir/Patient/$may-see", Way::By(FHIR)),
    ("fhir", "GET /fhir/Patient/$mine", Way::By(CITIZENS)),
    ("fhir", "GET /fhir/Patient/$access-pack", Way::None("the caller's own, and nobody's number")),
    ("fhir", "POST /fhir/Patient/$access-pack", Way::By(PACKS)),
    ("fhir", "GET /fhir/Patient/$access-pack/{id}", Way::By(PACKS)),
    ("fhir", "DELETE /fhir/Patient/$access-pack/{id}", Way::By(PACKS)),
    ("fhir", "GET /fhir/Patient/$access-pack/{id}/file", Way::By(PACKS)),
    ("fhir", "POST /fhir/AuditEvent/_search", Way::By(LOOKING)),
    (
        "fhir",
        "GET /fhir/AuditEvent",
        Way::By("a_closed_record_is_opened_with_a_reason_and_reviewed"),
    ),
    ("fhir", "POST /fhir/AuditEvent/$detect", Way::By(REPORTS)),
    ("fhir", "GET /fhir/AuditEvent/$statistics", Way::None("numbers of overrides by reason")),
    (
        "fhir",
        "GET /fhir/AuditEvent/{id}",
        Way::By("a_closed_record_is_opened_with_a_reason_and_reviewed"),
    ),
    (
        "fhir",
        "POST /fhir/AuditEvent/{id}/$review",
        Way::By("a_closed_record_is_opened_with_a_reason_and_reviewed"),
    ),
    ("fhir", "GET /fhir/Contract", Way::None(NO_PATIENT)),
    ("fhir", "GET /fhir/Contract/{id}", Way::None(NO_PATIENT)),
    ("fhir", "GET /fhir/Contract/$sharing", Way::None(NO_PATIENT)),
    ("fhir", "GET /fhir/Consent", Way::None("what patients have said, for those who record it")),
    ("fhir", "POST /fhir/Consent", Way::None("what patients have said, for those who record it")),
    (
        "fhir",
        "POST /fhir/Consent/_search",
        Way::None("what patients have said, for those who record it"),
    ),
    (
        "fhir",
        "GET /fhir/Consent/{id}",
        Way::None("what patients have said, for those who record it"),
    ),
    (
        "fhir",
        "PUT /fhir/Consent/{id}",
        Way::None("what patients have said, for those who record it"),
    ),
    ("fhir", "POST /fhir", Way::By(PUBLISHED)),
    ("fhir", "POST /fhir/", Way::By(PUBLISHED)),
    ("fhir", "ANY /fhir/{*rest}", Way::By(FHIR)),
    ("docs", "GET /openapi.json", Way::None("the same for everybody")),
    ("docs", "GET /docs", Way::None("the same for everybody")),
    ("docs", "GET /docs/{*page}", Way::None("the same for everybody")),
    ("web", "GET /", Way::None("the same for everybody")),
    ("web", "GET /accessibility", Way::None("the same for everybody")),
    ("web", "GET /sign-in", Way::None("before anybody is known")),
    ("web", "GET /sign-in/callback", Way::By(LAUNCH_BY_ID)),
    ("web", "GET /account", Way::None("the person's own account")),
    ("web", "POST /sign-out/everywhere", Way::None("ends sessions")),
    ("web", "GET /role", Way::None("the person's own roles")),
    ("web", "POST /role", Way::None("the person's own roles")),
    ("web", "POST /sign-out", Way::None("ends a session")),
    ("web", "GET /signed-out", Way::None("the same for everybody")),
    ("web", "GET /session-ended", Way::None("the same for everybody")),
    ("web", "POST /launch", Way::By(LAUNCH)),
    ("web", "GET /launch", Way::By(LAUNCH_BY_ID)),
    ("web", "GET /launch/callback", Way::By(SMART)),
    ("web", "GET /launch/open", Way::By(LAUNCH)),
    ("web", "POST /launch/open", Way::By(LAUNCH)),
    ("web", "GET /launch/patient", Way::By(LAUNCH)),
    ("web", "GET /oauth/authorize", Way::None("before anybody is known")),
    ("web", "GET /oauth/consent", Way::By(APPS)),
    ("web", "POST /oauth/consent", Way::By(APPS)),
    ("web", "POST /oauth/consent/patient", Way::By(APPS)),
    ("web", "GET /mine", Way::By(PAGES_CITIZENS)),
    ("web", "GET /mine/{handle}", Way::By(PAGES_CITIZENS)),
    ("web", "GET /mine/{handle}/looked", Way::By(PAGES_CITIZENS)),
    ("web", "POST /mine/{handle}/looked", Way::By(PAGES_CITIZENS)),
    ("web", "GET /mine/{handle}/sharing", Way::By(PAGES_CITIZENS)),
    ("web", "POST /mine/{handle}/sharing", Way::By(PAGES_CITIZENS)),
    ("web", "GET /mine/{handle}/copy", Way::By(PAGES_PACKS)),
    ("web", "POST /mine/{handle}/copy", Way::By(PAGES_PACKS)),
    ("web", "GET /access-packs", Way::By(PAGES_PACKS)),
    ("web", "POST /access-packs", Way::By(PAGES_PACKS)),
    ("web", "GET /access-packs/{id}", Way::By(PAGES_PACKS)),
    ("web", "GET /access-packs/{id}/file", Way::By(PAGES_PACKS)),
    ("web", "POST /access-packs/{id}/remove", Way::By(PAGES_PACKS)),
    ("web", "GET /search", Way::None("a form, and who the person has looked at")),
    ("web", "GET /team", Way::None("who is in care of the person's organisation, and no document")),
    ("web", "GET /patient/{handle}/relationship", Way::By("the_pages_offer_a_claim")),
    ("web", "POST /patient/{handle}/relationship", Way::By("the_pages_offer_a_claim")),
    ("web", "POST /patient/find", Way::By(DOORS)),
    ("web", "POST /people/find", Way::None("who people are, and no document")),
    ("web", "GET /patient/{handle}", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/summary", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/died", Way::None("who has died, and no document")),
    (
        "web",
        "POST /patient/{handle}/died",
        Way::None("leads to the record, which is decided there"),
    ),
    ("web", "GET /patient/{handle}/restricted", Way::By(DOORS)),
    ("web", "POST /patient/{handle}/restricted", Way::By("the_pages_ask_why_and_the_inbox_has_it")),
    ("web", "GET /looked", Way::By(PAGES_LOOKED)),
    ("web", "POST /looked", Way::By(PAGES_LOOKED)),
    ("web", "GET /looked/request/{id}", Way::By(PAGES_LOOKED)),
    ("web", "GET /looked/record/{id}", Way::By(PAGES_REPORTS)),
    ("web", "GET /reports", Way::By(PAGES_REPORTS)),
    ("web", "POST /reports/run", Way::By(PAGES_REPORTS)),
    ("web", "GET /reports/{id}", Way::By(PAGES_REPORTS)),
    ("web", "POST /reports/{id}", Way::By(PAGES_REPORTS)),
    ("web", "GET /feeds", Way::None(NO_PATIENT)),
    ("web", "GET /usage", Way::None(NO_PATIENT)),
    ("web", "POST /feeds/again", Way::None(NO_PATIENT)),
    ("web", "GET /agreements", Way::None(NO_PATIENT)),
    ("web", "GET /alerts", Way::By("the_pages_ask_why_and_the_inbox_has_it")),
    ("web", "GET /alerts/{id}", Way::By("the_pages_ask_why_and_the_inbox_has_it")),
    ("web", "POST /alerts/{id}", Way::By("the_pages_ask_why_and_the_inbox_has_it")),
    ("web", "POST /patient/{handle}/search", Way::By(DOORS)),
    ("web", "POST /patient/{handle}/filter", Way::By(DOORS)),
    ("web", "POST /patient/{handle}/sources", Way::By(DOORS)),
    (
        "web",
        "GET /patient/{handle}/consent",
        Way::None("what patients have said, for those who record it"),
    ),
    (
        "web",
        "POST /patient/{handle}/consent",
        Way::None("what patients have said, for those who record it"),
    ),
    (
        "web",
        "POST /patient/{handle}/consent/{id}/lift",
        Way::None("what patients have said, for those who record it"),
    ),
    ("web", "GET /patient/{handle}/document/{id}", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/document/{id}/content", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/document/{id}/download", Way::By(DOORS)),
    ("web", "POST /patient/{handle}/document/{id}/download", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/document/{id}/compare/{other}", Way::By(DOORS)),
    ("web", "GET /patient/{handle}/document/{id}/attachment/{n}", Way::By(DOORS)),
    ("web", "POST /sign-in/back-channel-logout", Way::None("ends sessions")),
    ("web", "POST /sign-in/back-channel-logout/{id}", Way::None("ends sessions")),
    ("web", "GET /assets/{version}/{*name}", Way::None("the same for everybody")),
    ("admin", "GET /health/live", Way::None("about the process")),
    ("admin", "GET /health/ready", Way::None("about the process")),
    ("admin", "GET /metrics", Way::By(FHIR)),
    ("sign-in", "GET /.well-known/openid-configuration", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /authorize", Way::None(NO_PATIENTS)),
    ("sign-in", "POST /authorize", Way::None(NO_PATIENTS)),
    ("sign-in", "POST /token", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /userinfo", Way::None(NO_PATIENTS)),
    ("sign-in", "POST /userinfo", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /jwks", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /logout", Way::None(NO_PATIENTS)),
    ("sign-in", "POST /logout", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /sign-out-everywhere", Way::None(NO_PATIENTS)),
    ("sign-in", "POST /sign-out-everywhere", Way::None(NO_PATIENTS)),
    ("sign-in", "GET /signin.css", Way::None(NO_PATIENTS)),
];

/// The record of accesses is told to those who look after it, and has no titles.
const LOOKING: &str = "who_may_not_look_learns_nothing";
const PACKS: &str = "an_officer_has_a_pack_made";
const PAGES_PACKS: &str = "the_pages_give_packs";
const FOR_ROLES: &str = "for roles of the deployment alone, and no document in it";
const NO_DOCUMENT: &str = "who cares for a patient, and no document";
const WHO_CARES: &str = "only_those_who_care_for_a_patient_see_the_record";
const CITIZENS: &str = "a_citizen_sees_their_own_record_and_nothing_else";
const PAGES_CITIZENS: &str = "the_pages_of_citizens_show_their_own";
const LAUNCH: &str = "a_launch_opens_the_patient_and_nobody_else";
const LAUNCH_BY_ID: &str = "an_id_opens_the_patient_and_nobody_else";
const APPS: &str = "an_app_reads_for_a_person_and_no_more";
const SMART: &str = "a_record_system_opens_the_patient_and_nobody_else";
const PROXIES: &str = "a_proxy_ends_at_a_birthday";
const PUBLISHED: &str = "what_is_wrong_is_told_and_nothing_is_published";
const REPORTS: &str = "rules_find_what_should_be_looked_at_twice";
const PAGES_REPORTS: &str = "the_pages_have_reports";
const NO_PATIENT: &str = "how the programme runs, and nothing of a patient";
const PAGES_LOOKED: &str = "the_pages_tell_who_looked";
const NO_PATIENTS: &str = "the demo's sign-in provider knows no patients";

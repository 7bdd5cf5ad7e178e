//! Accesses in plain words.

use crate::display::counted;

/// What was done, in words for anybody.
pub(in crate::pages) fn what(interaction: &str, documents: usize) -> String {
    let of = |words: &str| format!("{words} ({})", counted(documents, "document", "documents"));
    let mut words = interaction.split(' ');
    let plain = match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("search", "DocumentReference") => return of("Looked at the list of documents"),
        ("read", "DocumentReference") => "Looked at what is known of a document",
        ("ITI-68", _) => "Opened a document",
        ("search" | "read", "List") => "Looked at what was sent together",
        ("search" | "read", "Patient") | ("ITI-119" | "ITI-83", _) => {
            "Looked up who the patient is"
        }
        ("search" | "read", "Consent") => "Looked at the patient's sharing choices",
        ("create" | "update", "Consent") => "Recorded a sharing choice",
        ("break", "glass") => "Opened what was closed, with a reason",
        ("search" | "read" | "review", "privacy") | ("privacy", _) => {
            "Looked after a privacy alert"
        }
        ("ITI-81" | "audit", _) => "Looked at who has looked",
        ("may", "see") => "Asked who may look",
        ("access", "pack" | "packs") => match interaction {
            "access pack made" => "A copy of the whole record was made",
            "access pack fetched" => "Fetched a copy of the whole record",
            "access pack removed" => "Removed a copy of the whole record",
            _ => "Asked for a copy of the whole record",
        },
        ("PCC-44" | "elements", _)
        | (
            "read",
            "AllergyIntolerance"
            | "Condition"
            | "MedicationStatement"
            | "MedicationRequest"
            | "Immunization"
            | "Observation"
            | "Encounter",
        ) => {
            return of("Looked at allergies, medicines, problems or results in documents");
        }
        ("search" | "read", "Provenance") => "Looked at which document an entry comes from",
        ("search", "in") => return of("Searched inside documents"),
        ("ITI-18" | "ITI-51", _) => return of("Another system asked for the list of documents"),
        ("ITI-43", _) => "Another system fetched a document",
        ("ITI-41" | "ITI-42" | "ITI-61", _) => return of("A document was added"),
        ("ITI-57" | "ITI-92", _) => "What is known of a document was changed",
        ("ITI-62" | "ITI-86", _) => "A document was removed",
        ("ITI-8" | "ITI-44", _) => "A hospital or surgery told who the patient is",
        ("consent", _) => "The sharing choices were checked",
        ("patient", _) => "It was checked who the patient is",
        ("unknown", _) => "A page was asked for",
        _ => return interaction.to_owned(),
    };
    plain.to_owned()
}

/// Why it was allowed, or not, in words that a patient reads.
pub(in crate::pages) fn why(rule: Option<&str>, outcome: &str) -> &'static str {
    match rule.unwrap_or_default() {
        "own-record" => "Their own organisation keeps the document",
        "agreement" | "record-open" => "An agreement between the organisations allows it",
        "break-glass" => "They gave a reason for opening what is closed. It is reviewed",
        "delegated" => "The shared record itself asked",
        "audit-duty" => "It is their job to check who has looked",
        "programme-duty" => "It is their job to look after the service",
        "objection-whole-record"
        | "objection-source"
        | "objection-document"
        | "objection-class"
        | "objection-label"
        | "objection-period"
        | "objection-related"
        | "objection-terms"
        | "objection-recipient" => "Not shown: the patient has objected",
        "consent-missing" | "no-consent-model" => "Not shown: the patient has not agreed",
        "consent-limits" => "Not shown: the patient has agreed to share a part only",
        "no-agreement" => "Not shown: no agreement between the organisations allows it",
        "no-relationship" => "Not shown: they are not known to care for the patient",
        "other-patient" | "subject-unknown" => "Not shown: it was about another patient",
        "label" | "withheld" => "Not shown: it is too sensitive for their role",
        "citizen-own" => "It is the patient's own record",
        "citizen-proxy" => "They may act for the patient",
        "citizen-proofing" => "Not shown: they had not shown well enough who they are",
        "citizen-barred" => "Not shown: online access is barred",
        "citizen-age" => "Not shown: the patient is too young for online access",
        "no-proxy" => "Not shown: they may not act for the patient",
        "purpose-not-allowed" | "role-unknown" => "Not shown: their role does not allow it",
        "assurance-too-low" => "Not shown: they were not signed in safely enough",
        "facts-unavailable" => "Not shown: the patient's choices could not be checked",
        "not-told" => "Not told here",
        "" if outcome == "0" => "Nothing had to be decided about a document",
        "" => "It did not come to a decision",
        _ => "Not shown: a rule was against it",
    }
}

/// The word and colour of how it ended.
pub(in crate::pages) fn tag(outcome: &str) -> (&'static str, &'static str) {
    match outcome {
        "0" => ("Done", "green"),
        "8" => ("Refused", "red"),
        "4" => ("Not possible", "grey"),
        _ => ("Failed", "orange"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_words_that_a_patient_reads() {
        for rule in carerecord_access::Rule::denials() {
            let words = why(Some(rule.id()), "8");
            assert!(words != "Not shown: a rule was against it", "{rule:?}");
        }
        assert_eq!(why(None, "0"), "Nothing had to be decided about a document");
    }

    #[test]
    fn what_was_done_is_said_plainly() {
        assert_eq!(what("ITI-68 read Binary", 1), "Opened a document");
        let list = what("search DocumentReference", 2);
        assert_eq!(list, "Looked at the list of documents (2 documents)");
        assert_eq!(what("something new", 0), "something new");
    }
}

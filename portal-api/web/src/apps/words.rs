//! Scopes in the words of people.

/// What an app may do with these scopes, each in a sentence.
pub(super) fn allowed(scope: &str, one_patient: bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (level, rest) in scope.split(' ').filter_map(|scope| scope.split_once('/')) {
        let Some((kind, _)) = rest.split_once('.').filter(|_| level != "launch") else { continue };
        let whose = match one_patient {
            true => "of this one patient",
            false => "of every patient whose record you may open",
        };
        let words = format!("Read {} {whose}", kind_words(kind));
        if !all.contains(&words) {
            all.push(words);
        }
    }
    all
}

fn kind_words(kind: &str) -> &str {
    match kind {
        "*" => {
            "the name and contact details, the documents and their contents, and what they say of \
             allergies, conditions, medicines, immunisations, results and contacts with care,"
        }
        "Patient" => "the name, date of birth, NHS number and contact details",
        "DocumentReference" => "the list of documents",
        "List" => "how documents were sent together",
        "Binary" => "the contents of documents",
        "AllergyIntolerance" => "the allergies",
        "Condition" => "the conditions",
        "MedicationStatement" | "MedicationRequest" => "the medicines",
        "Immunization" => "the immunisations",
        "Observation" => "the results and measurements",
        "Encounter" => "the contacts with care",
        "Provenance" => "where entries come from",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_an_app_may_do_once() {
        let scope = "launch/patient patient/MedicationRequest.rs patient/MedicationStatement.r";
        assert_eq!(allowed(scope, true), ["Read the medicines of this one patient"]);
        let all = allowed("user/*.rs", false);
        assert!(all[0].ends_with("of every patient whose record you may open"), "{all:?}");
        assert!(allowed("launch/patient", true).is_empty());
    }
}

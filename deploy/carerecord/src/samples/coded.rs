//! Coded entries of sample documents: a practice's summary, and a discharge summary that says
//! otherwise in some.

/// The sections with coded entries of a person's document; none of most.
pub fn sections(n: usize) -> String {
    match n {
        0 => [
            section("48765-2", "Allergies", "No known allergies.", &none_known()),
            section(
                "10183-2",
                "Medicines at discharge",
                "Amlodipine 10 mg once a day. Aspirin 75 mg once a day.",
                &(medicine("386864001", "Amlodipine", "10 mg once a day")
                    + &medicine("387458008", "Aspirin", "75 mg once a day")),
            ),
        ]
        .concat(),
        5 => [
            section("48765-2", "Allergies", "Penicillin: rash, 1990.", &penicillin()),
            section(
                "11450-4",
                "Problems",
                "Hypertension. Fractured forearm, healed.",
                &(problem("38341003", "Hypertension", "<low value=\"2004\"/>")
                    + &problem(
                        "65966004",
                        "Fracture of forearm",
                        "<low value=\"20190210\"/><high value=\"20190420\"/>",
                    )),
            ),
            section(
                "10160-0",
                "Medicines",
                "Amlodipine 5 mg once a day.",
                &medicine("386864001", "Amlodipine", "5 mg once a day"),
            ),
        ]
        .concat(),
        _ => String::new(),
    }
}

fn section(code: &str, title: &str, text: &str, entries: &str) -> String {
    format!(
        "<component><section><code code=\"{code}\" codeSystem=\"2.16.840.1.113883.6.1\"/>\
         <title>{title}</title><text><paragraph>{text}</paragraph></text>{entries}</section>\
         </component>\n"
    )
}

fn concern(observation: &str) -> String {
    format!(
        "<entry><act classCode=\"ACT\" moodCode=\"EVN\"><statusCode code=\"active\"/>\
         <entryRelationship typeCode=\"SUBJ\">{observation}</entryRelationship></act></entry>"
    )
}

fn none_known() -> String {
    concern(
        "<observation classCode=\"OBS\" moodCode=\"EVN\" negationInd=\"true\">\
         <value code=\"419199007\" codeSystem=\"2.16.840.1.113883.6.96\"/></observation>",
    )
}

fn penicillin() -> String {
    concern(
        "<observation classCode=\"OBS\" moodCode=\"EVN\">\
         <effectiveTime><low value=\"1990\"/></effectiveTime>\
         <value code=\"416098002\" codeSystem=\"2.16.840.1.113883.6.96\"/>\
         <participant typeCode=\"CSM\"><participantRole><playingEntity>\
         <code code=\"764146007\" codeSystem=\"2.16.840.1.113883.6.96\" displayName=\"Penicillin\"/>\
         </playingEntity></participantRole></participant><entryRelationship typeCode=\"MFST\">\
         <observation classCode=\"OBS\" moodCode=\"EVN\"><value code=\"271807003\" \
         codeSystem=\"2.16.840.1.113883.6.96\" displayName=\"Rash\"/></observation>\
         </entryRelationship></observation>",
    )
}

fn problem(code: &str, display: &str, time: &str) -> String {
    concern(&format!(
        "<observation classCode=\"OBS\" moodCode=\"EVN\"><effectiveTime>{time}</effectiveTime>\
         <value code=\"{code}\" codeSystem=\"2.16.840.1.113883.6.96\" displayName=\"{display}\"/>\
         </observation>"
    ))
}

fn medicine(code: &str, display: &str, dose: &str) -> String {
    format!(
        "<entry><substanceAdministration classCode=\"SBADM\" moodCode=\"EVN\"><text>{dose}</text>\
         <statusCode code=\"active\"/><consumable><manufacturedProduct><manufacturedMaterial>\
         <code code=\"{code}\" codeSystem=\"2.16.840.1.113883.6.96\" displayName=\"{display}\"/>\
         </manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>"
    )
}

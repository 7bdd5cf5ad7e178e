//! Where a restricted (S-flagged) person lives must not be told, and the organisations that care
//! for a person tell it. What is released of such a person has them masked. NHS: 1.2.

use carerecord_model::{Author, Code, DocumentEntry, ExtraMetadata, SubmissionSet, Xon};

use crate::{Caller, Policy, Right};

/// What stands in the place of an organisation's name.
pub const WITHHELD_ORGANISATION: &str = "Organisation withheld";

/// Whether a caller may see where a restricted person is cared for: roles by configuration, and
/// systems that take the decision for their users themselves.
pub(crate) fn may_see_locations(policy: &Policy, caller: &Caller) -> bool {
    match caller {
        Caller::User(user) => policy.role(&user.role).is_some_and(|r| r.may_see_locations),
        Caller::System(_) => caller.has_right(Right::Delegate),
        // Whoever signs in so can be made to show what they see.
        Caller::Citizen(_) => false,
    }
}

/// Masks what tells a place: the authors' organisations and ways to reach them, the facility, and
/// identifiers that an organisation gave. The repository stays, to find the document by; it must
/// not be told.
pub(crate) fn mask_entry(entry: &mut DocumentEntry) {
    mask_authors(&mut entry.authors);
    entry.healthcare_facility_type_code = Code::new(MASKED, NULL_FLAVOR, "Withheld");
    entry.source_patient_id = None;
    entry.source_patient_info.retain(|line| {
        let field = line.split('|').next().unwrap_or_default();
        PLACELESS_PID_FIELDS.contains(&field)
    });
    entry.reference_ids.clear();
    entry.uri = None;
    entry.extra = ExtraMetadata { limited: entry.extra.limited, ..ExtraMetadata::default() };
}

/// As `mask_entry`, with the system that sent it and whom it was meant for.
pub(crate) fn mask_set(set: &mut SubmissionSet) {
    mask_authors(&mut set.authors);
    set.source_id = NO_SOURCE.parse().expect("the constant is an OID");
    set.intended_recipients.clear();
    set.extra = ExtraMetadata { limited: set.extra.limited, ..ExtraMetadata::default() };
}

fn mask_authors(authors: &mut [Author]) {
    let withheld: Xon = WITHHELD_ORGANISATION.parse().expect("the constant is a name");
    for author in authors {
        if !author.institutions.is_empty() {
            author.institutions = vec![withheld.clone()];
        }
        author.telecommunications.clear();
    }
}

/// "There is a value, and it is masked": HL7 v3 NullFlavor.
const MASKED: &str = "MSK";
const NULL_FLAVOR: &str = "2.16.840.1.113883.5.1008";
/// The system that sent a masked set.
const NO_SOURCE: &str = "2.25.0";
/// Name, date of birth, gender.
const PLACELESS_PID_FIELDS: [&str; 3] = ["PID-5", "PID-7", "PID-8"];

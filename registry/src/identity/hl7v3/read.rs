use carerecord_model::{Gender, tidy_postcode};
use carerecord_xml::ElementRef;
use jiff::civil::Date;

use super::HL7;
use crate::identity::described::{Death, Said};
use crate::identity::{Described, Identifier, IdentityEvent, Known};
use crate::store::FeedError;

/// The interactions of the feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Interaction {
    Added,
    Revised,
    DuplicatesResolved,
}

impl Interaction {
    /// The one that a SOAP action asks for.
    pub(super) fn of(action: &str) -> Option<Self> {
        let id = action.strip_prefix("urn:hl7-org:v3:")?;
        [Self::Added, Self::Revised, Self::DuplicatesResolved].into_iter().find(|i| i.id() == id)
    }

    fn id(self) -> &'static str {
        match self {
            Self::Added => "PRPA_IN201301UV02",
            Self::Revised => "PRPA_IN201302UV02",
            Self::DuplicatesResolved => "PRPA_IN201304UV02",
        }
    }

    /// Whether a message is of this interaction, by its name and by its interactionId.
    pub(super) fn is_of(self, message: ElementRef<'_>) -> bool {
        let said = message.child("interactionId").and_then(|id| id.attr("extension"));
        message.is(HL7, self.id()) && said == Some(self.id())
    }
}

pub(super) fn event(
    root: ElementRef<'_>,
    interaction: Interaction,
) -> Result<IdentityEvent, FeedError> {
    let registration = root
        .descendants()
        .find(|e| e.is(HL7, "registrationEvent"))
        .ok_or(FeedError::Wrong("the registrationEvent is missing"))?;
    let patient = registration
        .at(&["subject1", "patient"])
        .ok_or(FeedError::Wrong("the patient is missing"))?;
    let own = identifiers(patient)?;
    if interaction == Interaction::DuplicatesResolved {
        let prior = registration
            .at(&["replacementOf", "priorRegistration", "subject1", "priorRegisteredRole"])
            .ok_or(FeedError::Wrong("the prior registration is missing"))?;
        return IdentityEvent::merge(own, identifiers(prior)?);
    }
    if own.iter().all(|i| i.nhs_number().is_none()) {
        return Ok(IdentityEvent::Nothing);
    }
    let person = patient.child("patientPerson").map(described).transpose()?.unwrap_or_default();
    let person = Described { restricted: restricted(patient), ..person };
    Ok(IdentityEvent::Known(Box::new(Known { identifiers: own, person, care: Vec::new() })))
}

/// The ids of a role and of its person, NHS Numbers first.
fn identifiers(role: ElementRef<'_>) -> Result<Vec<Identifier>, FeedError> {
    let others = role.child("patientPerson").into_iter().flat_map(|p| p.all("asOtherIDs"));
    let ids = role.all("id").chain(others.flat_map(|o| o.all("id")));
    let mut all = Vec::new();
    for id in ids {
        let (root, extension) = (id.attr("root"), id.attr("extension"));
        if let (Some(root), Some(extension)) = (root, extension) {
            all.extend(Identifier::new(extension, root)?);
        }
    }
    all.sort_by_key(|i| i.nhs_number().is_none());
    Ok(all)
}

fn described(person: ElementRef<'_>) -> Result<Described, FeedError> {
    let name = person.child("name");
    let part = |local: &str| {
        let text = name.and_then(|n| n.child(local)).map(|e| e.text().trim().to_owned());
        text.filter(|t| !t.is_empty())
    };
    let code = |local: &str| person.child(local).and_then(|e| e.attr("code"));
    let born = person.child("birthTime").and_then(|e| e.attr("value"));
    let given = name.into_iter().flat_map(|n| n.all("given"));
    Ok(Described {
        family_name: part("family"),
        given_names: given.map(|g| g.text().trim().to_owned()).filter(|g| !g.is_empty()).collect(),
        prefix: part("prefix"),
        birth_date: born.and_then(date),
        death: Death::of(said(person, "deceasedTime", date), said(person, "deceasedInd", is_true))?,
        gender: match code("administrativeGenderCode") {
            Some("F") => Some(Gender::Female),
            Some("M") => Some(Gender::Male),
            Some("UN") => Some(Gender::Other),
            Some(_) | None => None,
        },
        postcode: home(person).and_then(|a| tidy_postcode(a.child("postalCode")?.text().trim())),
        restricted: None,
    })
}

/// The home address; the first one where none is said to be it.
fn home(person: ElementRef<'_>) -> Option<ElementRef<'_>> {
    let is_home = |a: &ElementRef<'_>| a.attr("use").is_some_and(|u| u.split(' ').any(is_home_use));
    person.all("addr").find(is_home).or_else(|| person.child("addr"))
}

fn is_home_use(code: &str) -> bool {
    matches!(code, "H" | "HP" | "HV")
}

/// The confidentiality of what is known of a person; the strictest of several codes holds.
fn restricted(patient: ElementRef<'_>) -> Option<bool> {
    let codes = patient.all("confidentialityCode").filter_map(|e| e.attr("code"));
    codes.fold(None, |so_far, code| match code {
        "R" | "V" => Some(true),
        "U" | "L" | "M" | "N" => Some(so_far.unwrap_or(false)),
        _ => so_far,
    })
}

/// What an element of a person says by its value. What does not apply, or is to be deleted, is taken
/// back.
fn said<T>(person: ElementRef<'_>, local: &str, read: fn(&str) -> T) -> Said<T> {
    let Some(element) = person.child(local) else { return Said::Nothing };
    match element.attr("value") {
        _ if element.attr("updateMode") == Some("D") => Said::Null,
        Some(value) => Said::This(read(value)),
        None if element.attr("nullFlavor") == Some("NA") => Said::Null,
        None => Said::Nothing,
    }
}

fn date(value: &str) -> Option<Date> {
    Date::strptime("%Y%m%d", value.get(..8)?).ok()
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "1")
}

#[cfg(test)]
mod tests {
    use carerecord_xml::{Limits, Tree};

    use super::*;

    fn read(body: &str, interaction: Interaction) -> Result<IdentityEvent, FeedError> {
        let text = format!(
            "<m xmlns=\"urn:hl7-org:v3\"><controlActProcess><subject>\
            <registrationEvent>{body}</registrationEvent></subject></controlActProcess></m>"
        );
        event(Tree::read(&text, Limits::metadata()).unwrap().root(), interaction)
    }

    const OID: &str = carerecord_model::NHS_NUMBER_OID;

    #[test]
    fn added_people_are_read() {
        let body = format!(
            "<subject1><patient><id root=\"{OID}\" extension=\"9990001006\"/>\
             <id root=\"2.999.1\" extension=\"H7\"/><patientPerson><name><given>Ada</given>\
             <family>Okafor</family></name><administrativeGenderCode code=\"F\"/>\
             <birthTime value=\"19450714\"/><addr use=\"WP\"><postalCode>ZZ9 9ZZ</postalCode>\
             </addr><addr use=\"HP\"><postalCode>xx1 1xx</postalCode></addr></patientPerson></patient></subject1>"
        );
        let Ok(IdentityEvent::Known(known)) = read(&body, Interaction::Added) else {
            panic!("not known")
        };
        assert_eq!(known.identifiers.len(), 2);
        assert_eq!(known.person.family_name.as_deref(), Some("Okafor"));
        assert_eq!(known.person.gender, Some(Gender::Female));
        assert_eq!(known.person.postcode.as_deref(), Some("XX1 1XX"));
    }

    #[test]
    fn resolved_duplicates_are_merges() {
        let body = format!(
            "<subject1><patient><id root=\"{OID}\" extension=\"9990001006\"/></patient></subject1>\
             <replacementOf><priorRegistration><subject1><priorRegisteredRole>\
             <id root=\"{OID}\" extension=\"9990001014\"/></priorRegisteredRole></subject1>\
             </priorRegistration></replacementOf>"
        );
        let found = read(&body, Interaction::DuplicatesResolved);
        assert!(matches!(found, Ok(IdentityEvent::Merge { .. })));
        assert!(read("", Interaction::Added).is_err());
    }

    #[test]
    fn deaths_and_confidentiality_are_read() {
        let person = |role: &str, person: &str| {
            let body = format!(
                "<subject1><patient><id root=\"{OID}\" extension=\"9990001006\"/>{role}\
                 <patientPerson>{person}</patientPerson></patient></subject1>"
            );
            match read(&body, Interaction::Revised) {
                Ok(IdentityEvent::Known(known)) => known.person,
                _ => panic!("not known"),
            }
        };
        let day = Death::On("2026-10-21".parse().unwrap());
        for (text, death) in [
            ("", None),
            ("<deceasedInd value=\"true\"/>", Some(Death::Told)),
            ("<deceasedInd value=\"false\"/>", Some(Death::Withdrawn)),
            ("<deceasedInd nullFlavor=\"UNK\"/>", None),
            ("<deceasedTime value=\"20261021\"/>", Some(day)),
            ("<deceasedInd value=\"true\"/><deceasedTime value=\"20261021081500\"/>", Some(day)),
            ("<deceasedTime nullFlavor=\"NA\"/>", Some(Death::Withdrawn)),
            ("<deceasedTime value=\"20261021\" updateMode=\"D\"/>", Some(Death::Withdrawn)),
        ] {
            assert!(person("", text).death == death, "{text}");
        }
        let codes = |codes: &[&str]| {
            let all = codes.iter().map(|c| format!("<confidentialityCode code=\"{c}\"/>"));
            person(&all.collect::<String>(), "").restricted
        };
        assert_eq!(codes(&[]), None);
        assert_eq!(codes(&["N"]), Some(false));
        assert_eq!(codes(&["V"]), Some(true));
        assert_eq!(codes(&["R", "N"]), Some(true));
        assert_eq!(codes(&["X"]), None);
    }

    #[test]
    fn the_interaction_must_agree_with_the_action() {
        let agrees = |text: &str| {
            let tree = Tree::read(text, Limits::metadata()).unwrap();
            Interaction::Added.is_of(tree.root())
        };
        let message = |element: &str, id: &str| {
            format!(
                "<{element} xmlns=\"{HL7}\"><interactionId root=\"x\" extension=\"{id}\"/></{element}>"
            )
        };

        assert!(agrees(&message("PRPA_IN201301UV02", "PRPA_IN201301UV02")));
        assert!(!agrees(&message("PRPA_IN201304UV02", "PRPA_IN201301UV02")));
        assert!(!agrees(&message("PRPA_IN201301UV02", "PRPA_IN201302UV02")));
        assert!(!agrees("<PRPA_IN201301UV02 xmlns=\"urn:hl7-org:v3\"/>"));
        assert!(!agrees("<PRPA_IN201301UV02/>"));
    }
}

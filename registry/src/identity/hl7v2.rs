//! From ADT messages to events. ITI TF-2: 3.8.4; HL7 v2.3.1 chapter 3.

use carerecord_codec::hl7v2::{Field, Message, Segment};
use carerecord_model::{Gender, NHS_NUMBER_OID};
use jiff::civil::Date;

use super::{Described, Identifier, IdentityEvent, Known};
use crate::store::FeedError;

/// Why a message has no event.
pub(super) enum Unfit {
    /// A kind of message that this registry does not take: AR.
    Kind,
    /// Wrong in content: AE.
    Content(FeedError),
}

impl From<FeedError> for Unfit {
    fn from(error: FeedError) -> Self {
        Self::Content(error)
    }
}

pub(super) fn event(message: &Message) -> Result<IdentityEvent, Unfit> {
    let (kind, trigger) = message.event();
    if kind != "ADT" {
        return Err(Unfit::Kind);
    }
    Ok(match trigger.as_str() {
        "A01" | "A04" | "A05" | "A08" | "A28" | "A31" => known(message)?,
        "A40" => merge(message)?,
        "A24" => pair(message, IdentityEvent::Link)?,
        "A37" => pair(message, IdentityEvent::Unlink)?,
        _ => return Err(Unfit::Kind),
    })
}

fn known(message: &Message) -> Result<IdentityEvent, FeedError> {
    let pid = message.segment("PID").ok_or(FeedError::Wrong("the PID segment is missing"))?;
    let identifiers = identifiers(pid, 3)?;
    if identifiers.iter().all(|i| i.nhs_number().is_none()) {
        // A person without an NHS Number has no record here.
        return Ok(IdentityEvent::Nothing);
    }
    let protected = message.segment("PD1").map(|s| s.text(12, 1));
    let person = Described {
        family_name: some(pid.text(5, 1)),
        given_names: [pid.text(5, 2), pid.text(5, 3)].into_iter().filter_map(some).collect(),
        prefix: some(pid.text(5, 5)),
        birth_date: date(&pid.text(7, 1)),
        death_date: date(&pid.text(29, 1)),
        gender: gender(&pid.text(8, 1)),
        restricted: protected.and_then(|p| match p.as_str() {
            "Y" => Some(true),
            "N" => Some(false),
            _ => None,
        }),
    };
    Ok(IdentityEvent::Known(Box::new(Known { identifiers, person })))
}

fn merge(message: &Message) -> Result<IdentityEvent, FeedError> {
    let pid = message.segment("PID").ok_or(FeedError::Wrong("the PID segment is missing"))?;
    let mrg = message.segment("MRG").ok_or(FeedError::Wrong("the MRG segment is missing"))?;
    let surviving = identifiers(pid, 3)?;
    let subsumed = identifiers(mrg, 1)?;
    let subsumed = subsumed.into_iter().next();
    let subsumed = subsumed.ok_or(FeedError::Wrong("MRG-1 has no identifier with an authority"))?;
    // Of the same kind when there is one: a number is merged into a number.
    let same =
        surviving.iter().find(|i| i.nhs_number().is_some() == subsumed.nhs_number().is_some());
    let own = same.or(surviving.first()).cloned();
    let surviving = own.ok_or(FeedError::Wrong("PID-3 has no identifier with an authority"))?;
    Ok(IdentityEvent::Merge { surviving, subsumed })
}

fn pair(
    message: &Message,
    event: fn(Identifier, Identifier) -> IdentityEvent,
) -> Result<IdentityEvent, FeedError> {
    let mut all = Vec::new();
    for pid in message.segments("PID") {
        all.extend(identifiers(pid, 3)?.into_iter().next());
    }
    match <[Identifier; 2]>::try_from(all) {
        Ok([a, b]) => Ok(event(a, b)),
        Err(_) => Err(FeedError::Wrong("two PID segments with an identifier each are needed")),
    }
}

/// The identifiers of a field whose authority can be told, NHS Numbers first.
fn identifiers(segment: Segment<'_>, field: usize) -> Result<Vec<Identifier>, FeedError> {
    let mut all = Vec::new();
    for repetition in segment.repetitions(field) {
        all.extend(Identifier::new(&repetition.component(1), &authority(repetition))?);
    }
    all.sort_by_key(|i| i.nhs_number().is_none());
    Ok(all)
}

/// CX-4: namespace, universal id and its type. The NHS is known by its namespace too.
fn authority(cx: Field<'_>) -> String {
    let oid = cx.subcomponent(4, 2);
    let namespace = cx.subcomponent(4, 1);
    match (oid.is_empty(), namespace.as_str(), cx.component(5).as_str()) {
        (false, _, _) => oid,
        (true, "NHS" | "NHSNMBR" | "NHSNBR", _) | (true, "", "NH") => NHS_NUMBER_OID.to_owned(),
        (true, _, _) => String::new(),
    }
}

fn some(text: String) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn date(text: &str) -> Option<Date> {
    Date::strptime("%Y%m%d", text.get(..8)?).ok()
}

fn gender(code: &str) -> Option<Gender> {
    match code {
        "F" => Some(Gender::Female),
        "M" => Some(Gender::Male),
        "O" | "A" => Some(Gender::Other),
        "U" => Some(Gender::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IdentityEvent, Unfit> {
        event(&Message::parse(text.as_bytes()).unwrap())
    }

    fn known_of(text: &str) -> Known {
        match read(text) {
            Ok(IdentityEvent::Known(known)) => *known,
            _ => panic!("not known"),
        }
    }

    #[test]
    fn identifiers_and_demographics_are_read() {
        let known = known_of(
            "MSH|^~\\&|PAS|T|R|S|2026||ADT^A01|1|P|2.3.1\r\
             PID|||H7^^^&2.999.1&ISO~9990001006^^^NHS^NH~X^^^UNKNOWN||Okafor^Ada^^^Mrs||19450714|F\r\
             PD1||||||||||||Y\r",
        );

        assert_eq!(known.identifiers.len(), 2, "no authority, no identifier");
        assert_eq!(known.identifiers[0].nhs_number().unwrap().digits().len(), 10);
        assert_eq!(known.person.family_name.as_deref(), Some("Okafor"));
        assert_eq!(known.person.restricted, Some(true));
        assert!(known.person.birth_date.is_some());
    }

    #[test]
    fn people_without_a_number_are_nothing_to_keep() {
        let text = "MSH|^~\\&|P|T|R|S|2026||ADT^A04|1|P|2.3.1\rPID|||7^^^&2.999.1&ISO\r";
        assert!(matches!(read(text), Ok(IdentityEvent::Nothing)));
        let wrong = "MSH|^~\\&|P|T|R|S|2026||ADT^A04|1|P|2.3.1\rPID|||9990001007^^^NHS\r";
        assert!(matches!(read(wrong), Err(Unfit::Content(FeedError::Wrong(_)))));
    }

    #[test]
    fn merges_are_read_and_other_events_are_not_taken() {
        let merge = "MSH|^~\\&|P|T|R|S|2026||ADT^A40^ADT_A39|1|P|2.3.1\rPID|||9990001006^^^NHS\r\
            MRG|9990001014^^^NHS\r";
        assert!(matches!(read(merge), Ok(IdentityEvent::Merge { .. })));
        let other = "MSH|^~\\&|P|T|R|S|2026||ORU^R01|1|P|2.3.1\r";
        assert!(matches!(read(other), Err(Unfit::Kind)));
    }
}

//! Who cares for the person: PD1 (the practice) and PV1 (the visit). HL7 v2.5, 3.4.10, 3.4.15 of
//! chapter 3 as the NHS uses them.

use carerecord_access::RelationshipKind;
use carerecord_codec::hl7v2::{Message, Segment};
use carerecord_model::OrganisationCode;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::identity::{Care, CareChange};

/// What a message says of who cares for the person.
pub(super) fn of(message: &Message, trigger: &str) -> Vec<Care> {
    registration(message, trigger).into_iter().chain(visit(message, trigger)).collect()
}

/// PD1-3, the patient's primary facility: where a person is registered. A null says nowhere.
fn registration(message: &Message, trigger: &str) -> Option<Care> {
    let pd1 = message.segment("PD1")?;
    let organisations: Vec<OrganisationCode> =
        [10, 3].iter().filter_map(|n| pd1.text(3, *n).parse().ok()).collect();
    let change = if pd1.is_null(3) { CareChange::Ended } else { CareChange::Holds };
    if organisations.is_empty() && change == CareChange::Holds {
        return None;
    }
    Some(Care {
        kind: RelationshipKind::Registration,
        organisations,
        visit: None,
        since: None,
        until: None,
        change,
        source: format!("ITI-8 {trigger}"),
    })
}

/// A visit begins, ends, is called off, or its end is.
fn visit(message: &Message, trigger: &str) -> Option<Care> {
    let pv1 = message.segment("PV1")?;
    let (admitted, discharged) = (instant(&pv1.text(44, 1)), instant(&pv1.text(45, 1)));
    let (change, since, until) = match trigger {
        "A01" => (CareChange::Holds, admitted, discharged),
        // Who comes for the day: nobody tells when they have gone.
        "A04" => {
            let at = admitted.or_else(|| instant(&message.header().text(7, 1)))?;
            (CareChange::Holds, Some(at), Some(discharged.unwrap_or(at)))
        }
        // Who is to come is being cared for already.
        "A05" => {
            let told = instant(&message.header().text(7, 1))?;
            let expected = admitted.or_else(|| expected(message)).unwrap_or(told);
            (CareChange::Holds, Some(told), Some(expected.max(told)))
        }
        "A03" => (CareChange::Ended, admitted, discharged),
        "A11" | "A38" => (CareChange::Cancelled, None, None),
        "A13" => (CareChange::Reopened, None, None),
        _ => return None,
    };
    Some(Care {
        kind: RelationshipKind::Encounter,
        organisations: facilities(message, pv1),
        visit: visit_number(pv1),
        since,
        until,
        change,
        source: format!("ITI-8 {trigger}"),
    })
}

/// PV2-8, expected admit time.
fn expected(message: &Message) -> Option<Timestamp> {
    instant(&message.segment("PV2")?.text(8, 1))
}

/// The servicing facility (PV1-39), that of the ward or clinic (PV1-3.4), the sending one (MSH-4).
fn facilities(message: &Message, pv1: Segment<'_>) -> Vec<OrganisationCode> {
    let ward = pv1.repetitions(3).next().map(|pl| pl.subcomponent(4, 1)).unwrap_or_default();
    let all = [pv1.text(39, 1), ward, message.header().text(4, 1)];
    all.iter().filter_map(|code| code.parse().ok()).collect()
}

/// PV1-19 with its authority, as far as that is told.
fn visit_number(pv1: Segment<'_>) -> Option<String> {
    let cx = pv1.repetitions(19).next()?;
    let (id, namespace, oid) = (cx.component(1), cx.subcomponent(4, 1), cx.subcomponent(4, 2));
    let authority = if oid.is_empty() { namespace } else { oid };
    let number = format!("{}^^^{}", id.trim(), authority.trim());
    (!id.trim().is_empty() && number.len() <= MOST).then_some(number)
}

/// A time of HL7 v2: at least a day; with its offset, otherwise as clocks in the United Kingdom show.
fn instant(text: &str) -> Option<Timestamp> {
    let (local, offset) = match text.find(['+', '-']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    };
    let digits = local.split('.').next()?.trim();
    if !digits.is_ascii() || !matches!(digits.len(), 8 | 10 | 12 | 14) {
        return None;
    }
    let padded = format!("{digits:0<14}");
    let time = DateTime::strptime("%Y%m%d%H%M%S", &padded).ok()?;
    let zone = match offset {
        Some(offset) => {
            let minutes = |part: Option<&str>| part?.parse::<i32>().ok();
            let (hours, rest) = (minutes(offset.get(1..3))?, minutes(offset.get(3..5))?);
            let seconds = (hours * 60 + rest) * 60;
            let signed = if offset.starts_with('-') { -seconds } else { seconds };
            TimeZone::fixed(Offset::from_seconds(signed).ok()?)
        }
        None => TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC),
    };
    Some(time.to_zoned(zone).ok()?.timestamp())
}

/// In characters: a visit number that is longer is none.
const MOST: usize = 128;

//! From ADT messages to events. ITI TF-2: 3.8.4; HL7 v2.3.1 chapter 3.

mod care;

use carerecord_codec::hl7v2::{Field, Message, Segment};
use carerecord_model::{Gender, NHS_NUMBER_OID, tidy_postcode};
use jiff::civil::Date;

use super::described::{Death, Said};
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
        "A01" | "A03" | "A04" | "A05" | "A08" | "A11" | "A13" | "A28" | "A31" | "A38" => {
            known(message, &trigger)?
        }
        "A40" => merge(message)?,
        "A24" => pair(message, IdentityEvent::Link)?,
        "A37" => pair(message, IdentityEvent::Unlink)?,
        _ => return Err(Unfit::Kind),
    })
}

fn known(message: &Message, trigger: &str) -> Result<IdentityEvent, FeedError> {
    let pid = message.segment("PID").ok_or(FeedError::Wrong("the PID segment is missing"))?;
    let identifiers = identifiers(pid, 3)?;
    if identifiers.iter().all(|i| i.nhs_number().is_none()) {
        // A person without an NHS Number has no record here.
        return Ok(IdentityEvent::Nothing);
    }
    if !is_traced(pid) {
        // Nobody is to be found under a number until it is known to be theirs.
        return Ok(IdentityEvent::Nothing);
    }
    let protected = message.segment("PD1").map(|s| s.text(12, 1));
    let person = Described {
        family_name: some(pid.text(5, 1)),
        given_names: [pid.text(5, 2), pid.text(5, 3)].into_iter().filter_map(some).collect(),
        prefix: some(pid.text(5, 5)),
        birth_date: date(&pid.text(7, 1)),
        death: death(pid)?,
        gender: gender(&pid.text(8, 1)),
        postcode: postcode(pid),
        restricted: protected.and_then(|p| match p.as_str() {
            "Y" => Some(true),
            "N" => Some(false),
            _ => None,
        }),
    };
    let care = care::of(message, trigger);
    Ok(IdentityEvent::Known(Box::new(Known { identifiers, person, care })))
}

fn merge(message: &Message) -> Result<IdentityEvent, FeedError> {
    let pid = message.segment("PID").ok_or(FeedError::Wrong("the PID segment is missing"))?;
    let mrg = message.segment("MRG").ok_or(FeedError::Wrong("the MRG segment is missing"))?;
    IdentityEvent::merge(identifiers(pid, 3)?, identifiers(mrg, 1)?)
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

/// PID-29 and PID-30; the HL7 null takes back what was told.
fn death(pid: Segment<'_>) -> Result<Option<Death>, FeedError> {
    let time = match pid.text(29, 1) {
        _ if pid.is_null(29) => Said::Null,
        text if text.trim().is_empty() => Said::Nothing,
        text => Said::This(date(&text)),
    };
    let has_died = match pid.text(30, 1).as_str() {
        _ if pid.is_null(30) => Said::Null,
        "Y" => Said::This(true),
        "N" => Said::This(false),
        _ => Said::Nothing,
    };
    Death::of(time, has_died)
}

/// PID-11: of the home address; of the first one where none is said to be it.
fn postcode(pid: Segment<'_>) -> Option<String> {
    let home = pid.repetitions(11).find(|a| a.component(7) == "H");
    tidy_postcode(&home.or_else(|| pid.repetitions(11).next())?.component(5))
}

/// PID-32: how far the NHS Number has been traced, as number or as word. Other codes, such as those
/// of HL7 table 0445, say nothing of that.
fn is_traced(pid: Segment<'_>) -> bool {
    let codes: Vec<String> = pid.repetitions(32).map(|f| f.component(1)).collect();
    !codes.iter().any(|code| NOT_TRACED.contains(&code.trim()))
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

const NOT_TRACED: [&str; 14] = [
    "02",
    "03",
    "04",
    "05",
    "06",
    "07",
    "08",
    "number-present-but-not-traced",
    "trace-required",
    "trace-attempted",
    "trace-needs-to-be-resolved",
    "trace-in-progress",
    "number-not-present-and-trace-not-required",
    "trace-postponed",
];

#[cfg(test)]
mod tests;

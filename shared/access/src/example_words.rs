//! What examples say of patients, in words: `source ZEX01 from 2026-01-01 until 2026-06-30`.

use carerecord_model::OrganisationCode;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, time};
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::example::{document, person};
use crate::policy::Label;
use crate::{
    Carer, ConsentRecord, ConsentStatus, Contact, ContactKind, Grain, Provision, Relationship,
    RelationshipKind, RelationshipStatus, Span, Term, TermPurpose, Terms,
};

/// An objection or a permission. The place makes its id.
pub(crate) fn statement(
    said: &str,
    objection: bool,
    place: usize,
) -> Result<ConsentRecord, String> {
    let (words, since, until) = timed(said)?;
    let provision = match (objection, words.as_slice()) {
        (true, ["whole-record"]) => Provision::Objection(Grain::WholeRecord),
        (true, ["document"]) => Provision::Objection(Grain::Document(document())),
        (true, ["source", code]) => Provision::Objection(Grain::Source(organisation(code)?)),
        (true, ["recipient", code]) => Provision::Objection(Grain::Recipient(organisation(code)?)),
        (true, ["class", code]) => Provision::Objection(class(code)),
        (true, ["label", code]) if Label::from_code(code).is_some() => {
            Provision::Objection(Grain::Label((*code).to_owned()))
        }
        (true, ["tag", tag]) => Provision::Objection(Grain::Tag((*tag).to_owned())),
        (true, ["period", time]) => Provision::Objection(Grain::Authored(span(time)?)),
        (true, ["encounter", id]) => Provision::Objection(Grain::Related(encounter(id))),
        (false, ["anyone"]) => Provision::Permission { recipient: None },
        (false, [code]) => Provision::Permission { recipient: Some(organisation(code)?) },
        _ => return Err(format!("\"{said}\" is not understood")),
    };
    record(provision, (since, until), place)
}

/// A rule with limits and its exceptions, one after each semicolon:
/// `permit authored 2022-01-01/2022-12-31; deny tag PSY; permit for break-glass`.
pub(crate) fn terms(said: &str, place: usize) -> Result<ConsentRecord, String> {
    let (words, since, until) = timed(said)?;
    let words = words.join(" ");
    let mut terms = words.split(';').map(|words| {
        let words: Vec<&str> = words.split_whitespace().collect();
        term(&words).ok_or_else(|| format!("\"{said}\" is not understood"))?
    });
    let root = terms.next().ok_or("nothing is said")??;
    let exceptions = terms.collect::<Result<_, _>>()?;
    let said = Provision::Terms(Box::new(Terms { root, exceptions }));
    record(said, (since, until), place)
}

/// `permit` or `deny`, then the limits: a word and a value each. `None` where a word is not known.
fn term(words: &[&str]) -> Option<Result<Term, String>> {
    let (says, limits) = words.split_first()?;
    let permits = *says == "permit";
    if !permits && *says != "deny" {
        return None;
    }
    let mut term = Term { permits, ..Term::default() };
    for limit in limits.chunks(2) {
        let [word, value] = limit else { return None };
        if let Err(error) = add_limit(&mut term, word, value)? {
            return Some(Err(error));
        }
    }
    Some(Ok(term))
}

fn add_limit(term: &mut Term, word: &str, value: &str) -> Option<Result<(), String>> {
    let added = match word {
        "to" => organisation(value).map(|to| term.recipients.push(to)),
        "for" => {
            let purpose = match value {
                "direct-care" => TermPurpose::DirectCare,
                "break-glass" => TermPurpose::BreakGlass,
                _ => return None,
            };
            term.purposes.push(purpose);
            Ok(())
        }
        "during" => span(value).map(|span| term.applies = Some(span)),
        "authored" => span(value).map(|span| term.authored = Some(span)),
        "source" => organisation(value).map(|from| term.data.push(Grain::Source(from))),
        "encounter" => {
            term.data.push(Grain::Related(encounter(value)));
            Ok(())
        }
        "class" => {
            term.classes.push(class(value));
            Ok(())
        }
        "label" => {
            Label::from_code(value)?;
            term.labels.push(Grain::Label(value.to_owned()));
            Ok(())
        }
        "tag" => {
            term.labels.push(Grain::Tag(value.to_owned()));
            Ok(())
        }
        _ => return None,
    };
    Some(added)
}

/// Two days or instants with a slash between them; of each there may be none.
fn span(text: &str) -> Result<Span, String> {
    let wrong = || format!("{text}: two days or instants with a slash between them");
    let (from, until) = text.split_once('/').ok_or_else(wrong)?;
    let given = |text: &str, moment, hour| {
        (!text.is_empty()).then(|| instant(text, moment, hour)).transpose()
    };
    Ok(Span { from: given(from, Date::to_datetime, 0)?, until: given(until, end, 0)? })
}

/// An encounter of the example's source.
fn encounter(id: &str) -> Contact {
    let scheme = Some(ENCOUNTERS.to_owned());
    let kind = ContactKind::Encounter;
    Contact { kind, id: id.to_owned(), scheme, schemes: Vec::new() }
}

fn class(code: &str) -> Grain {
    Grain::Class { code: code.to_owned(), scheme: None, schemes: Vec::new() }
}

fn record(
    provision: Provision,
    (since, until): (Timestamp, Option<Timestamp>),
    place: usize,
) -> Result<ConsentRecord, String> {
    Ok(ConsentRecord {
        id: Uuid::from_u128(place as u128 + 1),
        version: 1,
        patient: person(),
        status: ConsentStatus::Active,
        provision,
        set_by: "the patient".to_owned(),
        organisation: "ZEX09".parse().map_err(|_| "no organisation".to_owned())?,
        since,
        until,
        policy_uri: None,
        recorded_at: since,
        recorded_by: "example".to_owned(),
    })
}

/// Who cares for the patient. Claims and grants are those of the person who asks.
pub(crate) fn relationship(said: &str, place: usize) -> Result<Relationship, String> {
    let (words, since, until) = timed(said)?;
    let [kind, code] = words.as_slice() else {
        return Err(format!("\"{said}\" is not understood"));
    };
    let kind = RelationshipKind::from_code(kind);
    let kind = kind.ok_or_else(|| format!("\"{said}\": no such kind of relationship"))?;
    let organisation = organisation(code)?;
    let with = match kind {
        RelationshipKind::Claim | RelationshipKind::Grant => {
            Carer::Person { organisation, user_id: "example".to_owned() }
        }
        RelationshipKind::Registration
        | RelationshipKind::Encounter
        | RelationshipKind::Referral
        | RelationshipKind::Caseload => Carer::Organisation(organisation),
    };
    Ok(Relationship {
        id: Uuid::from_u128(place as u128 + 1),
        version: 1,
        patient: person(),
        with,
        kind,
        status: RelationshipStatus::Active,
        since,
        until,
        set_by: "example".to_owned(),
        source: "example".to_owned(),
        evidence: None,
        reason: None,
        recorded_at: since,
        recorded_by: "example".to_owned(),
    })
}

/// What is said, without the times that it ends with, and those: always and without end unless
/// given.
fn timed(said: &str) -> Result<(Vec<&str>, Timestamp, Option<Timestamp>), String> {
    let mut words: Vec<&str> = said.split_whitespace().collect();
    let until = ending(&mut words, "until")?.map(|t| instant(t, end, 0)).transpose()?;
    let since =
        ending(&mut words, "from")?.map(|t| instant(t, Date::to_datetime, 0)).transpose()?;
    Ok((words, since.unwrap_or(Timestamp::UNIX_EPOCH), until))
}

fn organisation(code: &str) -> Result<OrganisationCode, String> {
    code.parse::<OrganisationCode>().map_err(|_| format!("{code} is not an organisation"))
}

/// Takes a word and what follows it from the end.
fn ending<'w>(words: &mut Vec<&'w str>, word: &str) -> Result<Option<&'w str>, String> {
    let Some(at) = words.iter().position(|w| *w == word) else { return Ok(None) };
    match words.split_off(at).as_slice() {
        [_, value] => Ok(Some(value)),
        _ => Err(format!("{word}: one day or instant")),
    }
}

/// An instant, or a day, of which `moment` is meant at the hour.
pub(crate) fn instant(
    text: &str,
    moment: fn(Date, Time) -> DateTime,
    hour: i8,
) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    let wrong = || format!("{text} is neither a day nor an instant");
    let day: Date = text.parse().map_err(|_| wrong())?;
    let moment = moment(day, time(hour, 0, 0, 0)).to_zoned(TimeZone::UTC);
    Ok(moment.map_err(|_| wrong())?.timestamp())
}

/// The last instant of a day.
fn end(day: Date, _: Time) -> DateTime {
    day.to_datetime(time(23, 59, 59, 999_999_999))
}

/// What encounters of examples are numbered by.
pub(crate) const ENCOUNTERS: &str = "2.999.5";

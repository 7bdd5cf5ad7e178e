//! Searches of the patient index. ITI-78, ITI-119.

use carerecord_model::{
    DateSpan, FoundPatient, FoundPatients, Gender, NHS_NUMBER_OID, NamePattern, Patient, PatientId,
    PatientSearch,
};
use carerecord_storage::{Condition, Connection, StoreError, Value, sql, where_all};

use super::Store;
use super::cross_reference::identifiers_of;
use super::patient_index::{gender_number, is_incomplete};
use super::patients::{Person, demographics, person, person_of_no};

impl Store {
    /// The people that a search is about, each once, as they are after all merges. Those without an
    /// NHS Number are no people of this index.
    pub(crate) async fn find_patients(
        &self,
        search: &PatientSearch,
    ) -> Result<FoundPatients, StoreError> {
        let mut c = self.snapshot().await?;
        let mut found = FoundPatients::default();
        for domain in search.domains.iter().flatten() {
            let known = sql(KNOWS_AUTHORITY).bind(domain.as_str()).number(&mut c).await? > 0;
            if !known && domain.as_str() != NHS_NUMBER_OID {
                found.unknown_domains.push(domain.clone());
            }
        }
        if !search.is_constrained() {
            return Ok(FoundPatients { too_many: true, ..found });
        }
        let people = if search.identifiers.is_empty() {
            found.incomplete = is_incomplete(&mut c).await?;
            let mut numbers = by_demographics(&mut c, search).await?;
            found.too_many = numbers.len() > PatientSearch::MOST;
            numbers.truncate(PatientSearch::MOST);
            let mut people = Vec::new();
            for no in numbers {
                people.push(person_of_no(&mut c, no).await?);
            }
            people
        } else {
            by_identifiers(&mut c, &search.identifiers).await?
        };
        let mut seen = Vec::new();
        for person in people {
            if seen.contains(&person.numbers[0]) {
                continue;
            }
            seen.push(person.numbers[0]);
            found.people.extend(described(&mut c, &person, search).await?);
        }
        Ok(found)
    }
}

/// The person with demographics and identifiers, when they are as looked for.
async fn described(
    c: &mut Connection,
    person: &Person,
    search: &PatientSearch,
) -> Result<Option<FoundPatient>, StoreError> {
    let Some(number) = person.id.nhs_number() else { return Ok(None) };
    let mut patient = Patient::from_number(number);
    let (mut restricted, mut matches) = (false, false);
    for (n, no) in person.numbers.iter().enumerate() {
        let known = demographics(&mut *c, *no).await?;
        matches |= search.matches(known.as_ref().unwrap_or(&patient));
        let Some(known) = known else { continue };
        restricted |= known.restricted;
        if n == 0 {
            patient = known;
        }
    }
    patient.restricted = restricted;
    let mut identifiers = identifiers_of(c, person).await?;
    if restricted {
        // Where a person lives is told of none of those merged, and finds none.
        patient.postcode = None;
        matches &= search.postcode.is_empty();
        // What an organisation has assigned tells where the person is cared for.
        identifiers.retain(|id| id.authority().as_str() == NHS_NUMBER_OID);
    }
    let has_one_of = |domains: &Vec<_>| identifiers.iter().any(|i| domains.contains(i.authority()));
    let wanted = matches && search.domains.iter().all(has_one_of);
    Ok(wanted.then_some(FoundPatient { patient, identifiers }))
}

/// Whoever has an identifier of each group.
async fn by_identifiers(
    c: &mut Connection,
    groups: &[Vec<PatientId>],
) -> Result<Vec<Person>, StoreError> {
    let mut found: Option<Vec<Person>> = None;
    for group in groups {
        let mut people = Vec::new();
        for id in group {
            people.extend(person(&mut *c, id).await?);
        }
        if let Some(before) = found {
            let is_there = |p: &Person| before.iter().any(|b| b.numbers[0] == p.numbers[0]);
            people.retain(is_there);
        }
        found = Some(people);
    }
    Ok(found.unwrap_or_default())
}

/// One more than `PatientSearch::MOST` at most.
async fn by_demographics(
    c: &mut Connection,
    search: &PatientSearch,
) -> Result<Vec<i64>, StoreError> {
    let mut all: Vec<Condition> = Vec::new();
    all.extend(search.family.iter().map(|any| Condition::any(any.iter().map(family))));
    all.extend(search.postcode.iter().map(|any| Condition::any(any.iter().map(postcode))));
    all.extend(search.birth_date.iter().map(|any| Condition::any(any.iter().map(born))));
    // Given names lead to people only where nothing else does.
    let mut leads = all.is_empty();
    for any in &search.given {
        let names = Condition::any(any.iter().map(given));
        all.push(if leads { names.within(LEADS, ")") } else { names.within(HAS, ")") });
        leads = false;
    }
    let genders = |any: &Vec<Gender>| Condition::any(any.iter().map(gender));
    all.extend(search.gender.iter().map(genders));
    let rows: Vec<(i64,)> = where_all(SEARCH, all, FEW).all(c).await?;
    Ok(rows.into_iter().map(|(no,)| no).collect())
}

fn family(name: &NamePattern) -> Condition {
    let key = name.key();
    if name.exact {
        let text = "(s.family_key = ? AND s.family_name = ?)";
        return Condition::new(text, [key.into(), (&name.text).into()]);
    }
    Condition::new("(s.family_key >= ? AND s.family_key < ?)", range(key))
}

fn given(name: &NamePattern) -> Condition {
    let key = name.key();
    if name.exact {
        let text = "(g.given_key = ? AND g.given_name = ?)";
        return Condition::new(text, [key.into(), (&name.text).into()]);
    }
    Condition::new("(g.given_key >= ? AND g.given_key < ?)", range(key))
}

fn postcode(code: &NamePattern) -> Condition {
    let key = code.key();
    if code.exact {
        return Condition::new("s.postcode_key = ?", [key.into()]);
    }
    Condition::new("(s.postcode_key >= ? AND s.postcode_key < ?)", range(key))
}

/// From a key up to whatever does not begin with it.
fn range(key: String) -> [Value; 2] {
    let end = format!("{key}{}", char::MAX);
    [key.into(), end.into()]
}

fn born(span: &DateSpan) -> Condition {
    if span.from == span.to {
        return Condition::new("s.birth_date = ?", [span.from.into()]);
    }
    Condition::new("(s.birth_date >= ? AND s.birth_date <= ?)", [span.from.into(), span.to.into()])
}

fn gender(gender: &Gender) -> Condition {
    Condition::new("s.gender = ?", [gender_number(*gender).into()])
}

const KNOWS_AUTHORITY: &str = "
    SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM patient_identifier WHERE authority = $1)
        THEN 1 ELSE 0 END AS BIGINT)";
const SEARCH: &str = "SELECT s.patient_no FROM patient_search AS s WHERE";
const FEW: &str = "ORDER BY s.patient_no LIMIT 51";
const LEADS: &str = "s.patient_no IN (SELECT g.patient_no FROM patient_given_name AS g WHERE ";
const HAS: &str = "
    EXISTS (SELECT 1 FROM patient_given_name AS g WHERE g.patient_no = s.patient_no AND ";

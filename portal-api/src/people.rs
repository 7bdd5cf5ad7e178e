//! Searches of the patient index. PDQm ITI-78, ITI-119; nhs.md 8.2.

use carerecord_access::{AssertedPatient, Caller, Purpose, Refused, Released, Right};
use carerecord_fhir::{MatchGrade, MatchRequest};
use carerecord_model::{
    DateSpan, FoundPatient, FoundPatients, NamePattern, NhsNumber, PatientId, PatientSearch,
};

use crate::Portal;
use crate::error::FhirError;
use crate::matching::{Fit, fit};

/// Who may be meant, best first.
#[derive(Default)]
pub(crate) struct Matched {
    pub people: Vec<(FoundPatient, Fit)>,
    /// Whether so many are alike that not all were compared.
    pub too_many: bool,
    /// Whether the index of names is still being built.
    pub incomplete: bool,
}

/// What may leave of what was found. Those whom a caller may not ask about, who asks about one patient
/// only, are as if they were not there: the record alone is told of them.
pub(crate) struct Kept<T> {
    pub released: Released<T>,
    pub left_out: LeftOut,
}

/// Who was found and is not told of.
#[derive(Default)]
pub(crate) struct LeftOut {
    pub people: Vec<NhsNumber>,
    pub refused: Option<Refused>,
}

impl<T> Kept<T> {
    fn map<U>(self, make: impl FnOnce(T) -> U) -> Kept<U> {
        Kept { released: self.released.map(make), left_out: self.left_out }
    }
}

impl Portal {
    /// The people that a search is about.
    pub(crate) async fn find_patients(
        &self,
        caller: &Caller,
        purpose: Purpose,
        search: &PatientSearch,
    ) -> Result<Kept<FoundPatients>, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let mut left_out = LeftOut::default();
        let found = self.known_to(caller, search, &mut left_out).await?;
        if !found.people.is_empty() {
            left_out.refused = None;
        }
        let released = self.access.release_person(caller, purpose, found)?;
        Ok(Kept { released, left_out })
    }

    /// Whom a search finds for this caller. Who asks about one patient only learns nothing of others, not
    /// even that they are many.
    async fn known_to(
        &self,
        caller: &Caller,
        search: &PatientSearch,
        left_out: &mut LeftOut,
    ) -> Result<FoundPatients, FhirError> {
        let found = self.within(self.patients.find_patients(search)).await;
        let mut found = found.map_err(FhirError::Registry)?;
        let about = caller.asserted().map_or(AssertedPatient::Any, |asserted| asserted.patient);
        if about == AssertedPatient::Any {
            return Ok(found);
        }
        found.people.retain(|person| self.may_be_asked_for(caller, person, left_out));
        if let (true, AssertedPatient::Only(number)) = (found.too_many, about) {
            // Their own patient may be among those who were cut off.
            let mut own = search.clone();
            own.identifiers.push(vec![PatientId::from_nhs_number(number)]);
            let narrowed = self.within(self.patients.find_patients(&own)).await;
            found.people = narrowed.map_err(FhirError::Registry)?.people;
            found.people.retain(|person| self.may_be_asked_for(caller, person, left_out));
        }
        found.too_many = false;
        Ok(found)
    }

    /// Whether a caller who may ask about one patient only asks about this one.
    fn may_be_asked_for(
        &self,
        caller: &Caller,
        person: &FoundPatient,
        left_out: &mut LeftOut,
    ) -> bool {
        let number = person.patient.nhs_number;
        let refused = self.access.may_concern(caller, Some(number)).err();
        let may = refused.is_none();
        if !may && !left_out.people.contains(&number) {
            left_out.people.push(number);
            left_out.refused = refused;
        }
        may
    }

    /// The person with this number; after a merge, the one that it was merged into.
    pub(crate) async fn known_person(
        &self,
        caller: &Caller,
        purpose: Purpose,
        number: NhsNumber,
    ) -> Result<Kept<Option<FoundPatient>>, FhirError> {
        let id = PatientId::from_nhs_number(number);
        let search = PatientSearch { identifiers: vec![vec![id]], ..PatientSearch::default() };
        let found = self.find_patients(caller, purpose, &search).await?;
        Ok(found.map(|found| found.people.into_iter().next()))
    }

    /// The people who may be the one that is told of.
    pub(crate) async fn match_patients(
        &self,
        caller: &Caller,
        purpose: Purpose,
        told: &MatchRequest,
    ) -> Result<Kept<Matched>, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let (mut matched, mut left_out) = (Matched::default(), LeftOut::default());
        for search in searches(told) {
            let found = self.known_to(caller, &search, &mut left_out).await?;
            matched.incomplete |= found.incomplete;
            if found.too_many {
                // Some of many, as chance has it, would look like all of them.
                matched.too_many = true;
                continue;
            }
            let identified = !search.identifiers.is_empty();
            for person in found.people {
                let number = person.patient.nhs_number;
                let known = matched.people.iter().any(|(p, _)| p.patient.nhs_number == number);
                let fits = fit(told, &person, identified).filter(|_| !known);
                matched.people.extend(fits.map(|fit| (person, fit)));
            }
        }
        settle(&mut matched.people);
        if !matched.people.is_empty() {
            left_out.refused = None;
        }
        let released = self.access.release_person(caller, purpose, matched)?;
        Ok(Kept { released, left_out })
    }
}

/// Puts the best first. Of two people who would be certain neither is.
fn settle(people: &mut [(FoundPatient, Fit)]) {
    let certain = people.iter().filter(|(_, fit)| fit.grade == MatchGrade::Certain).count();
    if certain > 1 {
        for (_, fit) in people.iter_mut().filter(|(_, fit)| fit.grade == MatchGrade::Certain) {
            fit.grade = MatchGrade::Probable;
        }
    }
    people.sort_by(|(a, one), (b, other)| {
        let by_score = other.score.total_cmp(&one.score).then(other.grade.cmp(&one.grade));
        by_score.then_with(|| a.patient.nhs_number.cmp(&b.patient.nhs_number))
    });
}

/// The ways to look for somebody: by identifiers, and by what stays when one thing told is wrong.
/// Identifiers come first: who is found by them is known to be.
fn searches(told: &MatchRequest) -> Vec<PatientSearch> {
    let all = told.as_search();
    let mut ways = Vec::new();
    if !told.identifiers.is_empty() {
        let identifiers = vec![told.identifiers.clone()];
        ways.push(PatientSearch { identifiers, ..PatientSearch::default() });
    }
    let only = |family: bool, given: bool, born: Option<DateSpan>, lives: bool| {
        let of = |wanted: bool, names: &Vec<Vec<NamePattern>>| {
            if wanted { names.clone() } else { Vec::new() }
        };
        PatientSearch {
            family: of(family, &all.family),
            given: of(given, &all.given),
            birth_date: born.into_iter().map(|span| vec![span]).collect(),
            postcode: of(lives, &all.postcode),
            ..PatientSearch::default()
        }
    };
    let (named, lives) = (!told.family.is_empty(), told.postcode.is_some());
    if named && told.birth_date.is_some() {
        ways.push(only(true, false, told.birth_date, false));
        ways.extend(told.birth_date.and_then(turned).map(|s| only(true, false, Some(s), false)));
    }
    if named && lives {
        ways.push(only(true, false, None, true));
    }
    if !told.given.is_empty() && lives && told.birth_date.is_some() {
        ways.push(only(false, true, told.birth_date, true));
    }
    ways
}

/// Day and month changed round, where that is another date.
fn turned(span: DateSpan) -> Option<DateSpan> {
    let (year, month, day) = (span.from / 10_000, span.from / 100 % 100, span.from % 100);
    let other = year * 10_000 + day * 100 + month;
    let is_other = span.from == span.to && (1..=12).contains(&day) && other != span.from;
    is_other.then_some(DateSpan { from: other, to: other })
}

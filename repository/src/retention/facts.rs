//! What rules need to know about a person. A fact that is missing keeps documents.

use std::collections::HashMap;

use carerecord_model::{DocumentEntry, Dtm, NhsNumber, Patient, PatientDirectory, PortError};
use jiff::civil::Date;

/// A person, as far as retention goes.
#[derive(Clone, Copy, Debug)]
pub struct PersonFacts {
    /// Date of birth.
    pub birth: Option<Date>,
    /// Whether the person has died.
    pub deceased: bool,
    /// The date of that, when known.
    pub death: Option<Date>,
    /// The last day of a service or document of the person at this node.
    pub last_contact: Date,
}

impl PersonFacts {
    /// In whole years.
    pub(crate) fn age_when_last_seen(&self) -> Option<i16> {
        let birth = self.birth?;
        let before =
            (self.last_contact.month(), self.last_contact.day()) < (birth.month(), birth.day());
        Some(self.last_contact.year() - birth.year() - i16::from(before))
    }
}

/// The last day that a document tells of.
pub(crate) fn contact(entry: &DocumentEntry) -> Option<Date> {
    let times = [&entry.service_stop_time, &entry.service_start_time, &entry.creation_time];
    times.into_iter().flatten().map(last_day).max()
}

/// The last day that a time of any precision can mean.
fn last_day(time: &Dtm) -> Date {
    let first = time.instant().to_zoned(jiff::tz::TimeZone::UTC).date();
    match time.as_str().len() {
        4 => first.last_of_year(),
        6 => first.last_of_month(),
        _ => first,
    }
}

/// When everybody was last seen, as documents are gone through.
#[derive(Default)]
pub(crate) struct LastContacts(HashMap<NhsNumber, Date>);

impl LastContacts {
    /// Notes that a person was seen.
    pub(crate) fn seen(&mut self, entry: &DocumentEntry) {
        let Some(number) = entry.patient_id.nhs_number() else { return };
        let Some(day) = contact(entry) else { return };
        let last = self.0.entry(number).or_insert(day);
        *last = day.max(*last);
    }

    /// Asks the patient index about everybody. What was filed under a number that has been merged
    /// counts for the person.
    ///
    /// # Errors
    /// When the index could not be asked.
    pub(crate) async fn people(
        self,
        directory: &dyn PatientDirectory,
    ) -> Result<People, PortError> {
        let mut own: HashMap<NhsNumber, NhsNumber> = HashMap::new();
        let mut known: HashMap<NhsNumber, PersonFacts> = HashMap::new();
        for (number, last_contact) in self.0 {
            let person = directory.patient(number).await?;
            let person = person.unwrap_or_else(|| Patient::from_number(number));
            own.insert(number, person.nhs_number);
            let facts = known.entry(person.nhs_number).or_insert(PersonFacts {
                birth: person.birth_date,
                deceased: person.deceased,
                death: person.death_date,
                last_contact,
            });
            facts.last_contact = last_contact.max(facts.last_contact);
        }
        Ok(People { own, known })
    }
}

/// The facts about everybody.
#[derive(Default)]
pub(crate) struct People {
    own: HashMap<NhsNumber, NhsNumber>,
    known: HashMap<NhsNumber, PersonFacts>,
}

impl People {
    /// The number that everything of the person is kept under.
    pub(crate) fn number(&self, entry: &DocumentEntry) -> Option<NhsNumber> {
        self.own.get(&entry.patient_id.nhs_number()?).copied()
    }

    /// `None`: whose document it is, or when they were seen, is not known.
    pub(crate) fn facts(&self, entry: &DocumentEntry) -> Option<&PersonFacts> {
        self.known.get(&self.number(entry)?)
    }
}

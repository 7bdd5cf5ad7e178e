//! Whose record a number opens: after a merge, the survivor's, whichever number is asked for.

use carerecord_access::{
    Caller, CitizenCaller, PatientRecord, Purpose, RecordView, Refused, Right, Withheld,
};
use carerecord_model::{FoundObjects, NhsNumber, Patient, PortError};

use crate::Portal;
use crate::error::FhirError;

/// A record that has been opened.
pub(crate) struct Opened {
    pub view: RecordView,
    /// The number that everything of the person is kept under.
    pub number: NhsNumber,
    /// What the patient index has of the person.
    pub person: Option<Patient>,
}

impl Opened {
    fn of(view: RecordView, number: NhsNumber, person: Option<Patient>) -> Self {
        let born = person.as_ref().and_then(|person| person.birth_date);
        let restricted = person.as_ref().is_some_and(|person| person.restricted);
        Self { view: view.of_born(born).of_restricted(restricted), number, person }
    }
}

impl Portal {
    /// Opens a record, knowing whether the person is restricted. The facts come from the registry,
    /// which may be silent: then nothing is opened.
    pub(crate) async fn open(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
    ) -> Result<Opened, FhirError> {
        let kept_under;
        let caller = match caller {
            Caller::Citizen(citizen) => {
                kept_under = self.kept_under(citizen).await?;
                &kept_under
            }
            Caller::User(_) | Caller::System(_) => caller,
        };
        let (view, person) =
            tokio::join!(self.view(caller, purpose, patient), self.person(patient));
        let (mut view, person) = (view?, person?);
        let number = person.as_ref().map_or(patient, |person| person.nhs_number);
        if number != patient {
            view = self.view(caller, purpose, number).await?;
        }
        Ok(Opened::of(view, number, person))
    }

    /// Opens a record, with everything in it before any decision: by one question where that can be
    /// asked. To a citizen it is open, or nothing of it is asked for.
    pub(crate) async fn open_whole(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
    ) -> Result<(Opened, FoundObjects), FhirError> {
        let records = self.records.as_ref().filter(|_| !matches!(caller, Caller::Citizen(_)));
        let Some(records) = records else {
            let opened = self.open(caller, purpose, patient).await?;
            open_to_citizen(&opened.view)?;
            let all = self.everything_for(&opened.view, purpose, opened.number).await?;
            return Ok((opened, all));
        };
        self.access.admit(caller, purpose, Right::Query)?;
        let overriding = self.access.opened_by(caller, patient).await;
        let whom = self.before_decisions(caller, purpose, patient, overriding.as_ref());
        let asked = self.within(records.patient_record(patient, &whom)).await;
        let PatientRecord { person, facts, found } = asked.map_err(FhirError::Registry)?;
        let number = person.as_ref().map_or(patient, |person| person.nhs_number);
        let mut access = self.access.knowing(facts);
        if number == patient {
            access = access.having_opened(overriding);
        }
        let view = access.open(caller, purpose, Right::Query, number).await?;
        Ok((Opened::of(view, number, person), found))
    }

    /// A citizen by the number that everything of theirs is kept under.
    async fn kept_under(&self, citizen: &CitizenCaller) -> Result<Caller, FhirError> {
        let number = match citizen.number {
            Some(number) => Some(self.surviving(number).await?),
            None => None,
        };
        Ok(Caller::Citizen(Box::new(CitizenCaller { number, ..citizen.clone() })))
    }

    /// The number that everything of a person is kept under: after a merge the surviving one,
    /// otherwise the one asked for.
    pub(crate) async fn surviving(&self, number: NhsNumber) -> Result<NhsNumber, FhirError> {
        Ok(self.person(number).await?.map_or(number, |person| person.nhs_number))
    }

    /// What the patient index has of a person.
    pub(crate) async fn person(&self, number: NhsNumber) -> Result<Option<Patient>, FhirError> {
        self.within(self.patients.patient(number)).await.map_err(FhirError::Registry)
    }

    async fn view(
        &self,
        caller: &Caller,
        purpose: Purpose,
        number: NhsNumber,
    ) -> Result<RecordView, FhirError> {
        let opened = self.access.open(caller, purpose, Right::Query, number);
        let opened = tokio::time::timeout(self.deadline(), opened).await;
        Ok(opened.map_err(|_| FhirError::Registry(PortError::Late))??)
    }
}

/// To a citizen a record is theirs to see, or it is not: then it is told that it is not, whatever there
/// is in it.
pub(crate) fn open_to_citizen(view: &RecordView) -> Result<(), Refused> {
    match view.closed() {
        Some(refused) if view.is_for_citizen() => Err(refused),
        Some(_) | None => Ok(()),
    }
}

/// A record that is closed as a whole is told of, whether or not it has documents.
pub(crate) fn note_closed(view: &RecordView, withheld: &mut Withheld) {
    if let Some(Refused { decision, may_be_told: true }) = view.closed() {
        withheld.tell(decision);
    }
}

//! The patient identity feed: ITI-8 (HL7 v2 over MLLP) and ITI-44 (HL7 v3 over SOAP) are two
//! bindings of the same events. ITI TF-2: 3.8, 3.44.

mod hl7v2;
pub(crate) mod hl7v3;
mod mllp;

use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_model::{Cx, NHS_NUMBER_OID, NhsNumber, Patient, PatientId};
use carerecord_service::AuditDraft;

use crate::Registry;
use crate::store::FeedError;

pub use mllp::{MllpConfig, serve_mllp};

/// What a source tells of people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IdentityEvent {
    /// A person is known by these identifiers, and described so.
    Known(Box<Known>),
    /// The subsumed identifier is of the same person as the surviving one, and is given up.
    Merge { surviving: Identifier, subsumed: Identifier },
    /// Both identifiers are of one person.
    Link(Identifier, Identifier),
    /// Two identifiers were taken for one person's, and are not.
    Unlink(Identifier, Identifier),
    /// Nothing that this registry keeps.
    Nothing,
}

/// A person as a source knows them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// Every identifier with an authority.
    pub identifiers: Vec<Identifier>,
    /// What is told; what is not told leaves what is known as it is.
    pub person: Described,
}

/// Demographics of which each can be left out.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Described {
    pub family_name: Option<String>,
    pub given_names: Vec<String>,
    pub prefix: Option<String>,
    pub birth_date: Option<jiff::civil::Date>,
    pub death_date: Option<jiff::civil::Date>,
    pub gender: Option<carerecord_model::Gender>,
    pub restricted: Option<bool>,
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Described(redacted)")
    }
}

impl Described {
    /// Renews what is known of a person.
    pub(crate) fn apply(&self, person: &mut Patient) {
        if self.family_name.is_some() {
            person.family_name.clone_from(&self.family_name);
            person.given_names.clone_from(&self.given_names);
            person.prefix.clone_from(&self.prefix);
        }
        person.birth_date = self.birth_date.or(person.birth_date);
        person.death_date = self.death_date.or(person.death_date);
        person.gender = self.gender.unwrap_or(person.gender);
        person.restricted = self.restricted.unwrap_or(person.restricted);
    }
}

/// An identifier with its authority.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Identifier {
    /// An NHS Number.
    Nhs(NhsNumber),
    /// A source's own.
    Local(PatientId),
}

impl Identifier {
    /// Reads an identifier. An NHS authority with no valid number is a fault of the message.
    pub(crate) fn new(id: &str, authority: &str) -> Result<Option<Self>, FeedError> {
        let (id, authority) = (id.trim(), authority.trim());
        if id.is_empty() {
            return Ok(None);
        }
        if authority == NHS_NUMBER_OID {
            return match id.parse() {
                Ok(number) => Ok(Some(Self::Nhs(number))),
                Err(_) => Err(FeedError::Wrong("an NHS Number is not valid")),
            };
        }
        let Ok(authority) = authority.parse() else { return Ok(None) };
        let cx = Cx { id: id.to_owned(), authority };
        Ok(cx.to_wire().parse().ok().map(Self::Local))
    }

    pub(crate) fn patient_id(&self) -> PatientId {
        match self {
            Self::Nhs(number) => PatientId::from_nhs_number(*number),
            Self::Local(id) => id.clone(),
        }
    }

    pub(crate) fn nhs_number(&self) -> Option<NhsNumber> {
        match self {
            Self::Nhs(number) => Some(*number),
            Self::Local(_) => None,
        }
    }
}

impl Registry {
    /// Takes an event of the feed, together with its audit record.
    ///
    /// # Errors
    /// `FeedError` when the event cannot be; then nothing has changed.
    pub(crate) async fn identity_feed(
        &self,
        caller: &Caller,
        event: IdentityEvent,
        draft: &AuditDraft,
    ) -> Result<(), FeedError> {
        self.access.may_publish(caller).map_err(|refused| {
            draft.decision(&refused.decision);
            draft.outcome(AuditOutcome::Refused);
            FeedError::Refused
        })?;
        draft.fill(|e| e.subject = subject(&event));
        if numbers(&event).iter().any(|n| n.permitted(self.number_policy()).is_err()) {
            return Err(FeedError::Wrong("an NHS Number is not of the range taken here"));
        }
        let audit = draft.to_commit(AuditOutcome::Success);
        self.store.identity_event(event, self.now(), audit).await?;
        draft.committed();
        Ok(())
    }
}

fn numbers(event: &IdentityEvent) -> Vec<NhsNumber> {
    match event {
        IdentityEvent::Known(known) => {
            known.identifiers.iter().filter_map(Identifier::nhs_number).collect()
        }
        IdentityEvent::Merge { surviving: a, subsumed: b }
        | IdentityEvent::Link(a, b)
        | IdentityEvent::Unlink(a, b) => {
            [a, b].into_iter().filter_map(Identifier::nhs_number).collect()
        }
        IdentityEvent::Nothing => Vec::new(),
    }
}

fn subject(event: &IdentityEvent) -> Option<NhsNumber> {
    numbers(event).first().copied()
}

//! The patient identity feed: ITI-8 (HL7 v2 over MLLP) and ITI-44 (HL7 v3 over SOAP) are two
//! bindings of the same events. ITI TF-2: 3.8, 3.44.

mod care;
mod described;
mod hl7v2;
pub(crate) mod hl7v3;
mod mllp;

use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_model::{Cx, NHS_NUMBER_OID, NhsNumber, PatientId};
use carerecord_service::AuditDraft;

use crate::Registry;
use crate::store::{FeedError, NUMBER_INTO_LOCAL};

pub(crate) use care::{Care, CareChange, NotedCare};
pub(crate) use described::Described;
pub use mllp::{MllpConfig, serve_mllp};

/// Whether a message of HL7 v2 tells something that this registry takes.
pub(crate) fn is_event(message: &carerecord_codec::hl7v2::Message) -> bool {
    hl7v2::event(message).is_ok()
}

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
    /// What is told of who cares for them.
    pub care: Vec<Care>,
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

impl IdentityEvent {
    /// A merge out of the identifiers of a message, NHS Numbers first. Sources send a person's NHS
    /// Number along when they merge two of their own: what both sides have is not merged.
    ///
    /// # Errors
    /// When there is no pair of one authority: then a local identifier can be merged into the NHS
    /// Number, but not the other way.
    fn merge(surviving: Vec<Identifier>, subsumed: Vec<Identifier>) -> Result<Self, FeedError> {
        let differs = subsumed.iter().find(|id| !surviving.contains(id));
        let subsumed = differs.or(subsumed.first()).cloned();
        let subsumed = subsumed
            .ok_or(FeedError::Wrong("the subsumed side has no identifier with an authority"))?;
        if surviving.is_empty() {
            let what = "the surviving side has no identifier with an authority";
            return Err(FeedError::Wrong(what));
        }
        let same =
            |id: &&Identifier| id.patient_id().authority() == subsumed.patient_id().authority();
        let own = surviving.iter().find(same);
        let surviving = own.or_else(|| surviving.iter().find(|id| id.nhs_number().is_some()));
        match surviving.cloned() {
            Some(surviving) => Ok(Self::Merge { surviving, subsumed }),
            None if subsumed.nhs_number().is_some() => Err(FeedError::Wrong(NUMBER_INTO_LOCAL)),
            None => Err(FeedError::Wrong("the identifiers are of different authorities")),
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
        let mut about: Vec<_> = numbers(&event).into_iter().map(Some).collect();
        if about.is_empty() {
            about.push(None);
        }
        let access = &self.access;
        let may = access.may_publish(caller);
        let may = may.and_then(|()| about.iter().try_for_each(|n| access.may_concern(caller, *n)));
        may.map_err(|refused| {
            draft.decision(&refused.decision);
            draft.outcome(AuditOutcome::Refused);
            FeedError::Refused
        })?;
        draft.fill(|e| e.subject = subject(&event));
        if numbers(&event).iter().any(|n| n.permitted(self.number_policy()).is_err()) {
            return Err(FeedError::Wrong("an NHS Number is not of the range taken here"));
        }
        let care = self.care(&event, caller);
        let audit = draft.to_commit(AuditOutcome::Success);
        self.store.identity_event(event, care, self.now(), audit).await?;
        draft.committed();
        Ok(())
    }

    /// What is to be kept of who cares for a person.
    fn care(&self, event: &IdentityEvent, caller: &Caller) -> Vec<NotedCare> {
        let IdentityEvent::Known(known) = event else { return Vec::new() };
        let policy = self.access.policy();
        known.care.iter().map(|care| care.clone().noted(policy, caller, self.ids())).collect()
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

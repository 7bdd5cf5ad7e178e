use std::sync::Arc;

use carerecord_access::{Caller, Right};
use carerecord_audit::AuditOutcome;
use carerecord_codec::saml::SamlError;
use carerecord_codec::soap::{SoapError, Understood};
use carerecord_model::{NodeId, UniqueId};

use super::{Peer, Xua, XuaMode};
use crate::delegation::REGISTRY;
use crate::{Asker, AuditDraft, DelegationError, DelegationMode, Delegations};

/// How the caller of a message at one listener is known.
#[derive(Clone)]
pub struct Callers {
    listener: Caller,
    xua: Option<(Arc<Xua>, XuaMode)>,
    delegations: Option<(Arc<Delegations>, DelegationMode)>,
    /// The delegation that came with the request.
    statement: Option<Arc<str>>,
}

/// Whoever comes in by the listener, and nobody else.
impl From<Caller> for Callers {
    fn from(listener: Caller) -> Self {
        Self { listener, xua: None, delegations: None, statement: None }
    }
}

impl Callers {
    /// The same where messages can carry assertions.
    #[must_use]
    pub fn with_xua(self, xua: Arc<Xua>, mode: XuaMode) -> Self {
        let xua = (mode != XuaMode::Off).then_some((xua, mode));
        Self { xua, ..self }
    }

    /// The same where requests can carry delegations.
    #[must_use]
    pub fn with_delegations(self, delegations: Arc<Delegations>, mode: DelegationMode) -> Self {
        let delegations = (mode != DelegationMode::Off).then_some((delegations, mode));
        Self { delegations, ..self }
    }

    /// The same for one request, with the delegation that came with it.
    #[must_use]
    pub fn with_statement(self, statement: Option<&str>) -> Self {
        let statement = statement.filter(|_| self.delegations.is_some()).map(Arc::from);
        Self { statement, ..self }
    }

    /// For whom `caller`, who sends the request, asks the node `node` about these documents. The
    /// record is told.
    ///
    /// # Errors
    /// What is wrong with the delegation, or that there is none where there must be.
    pub fn asker(
        &self,
        caller: &Caller,
        node: &NodeId,
        documents: &[UniqueId],
        draft: &AuditDraft,
    ) -> Result<Asker, DelegationError> {
        self.noted(self.delegated(caller, node.as_str(), documents), draft)
    }

    /// For whom `caller` asks the registry, where it says so. The record is told.
    ///
    /// # Errors
    /// What is wrong with the delegation.
    pub fn registry_asker(
        &self,
        caller: &Caller,
        draft: &AuditDraft,
    ) -> Result<Option<Asker>, DelegationError> {
        if self.statement.is_none() {
            return Ok(None);
        }
        self.noted(self.delegated(caller, REGISTRY, &[]), draft).map(Some)
    }

    fn noted(
        &self,
        asker: Result<Asker, DelegationError>,
        draft: &AuditDraft,
    ) -> Result<Asker, DelegationError> {
        asker
            .inspect(|asker| {
                draft.caller(&asker.caller);
                if self.statement.is_some() {
                    draft.fill(|event| event.purpose = Some(asker.purpose.code().to_owned()));
                }
            })
            .map_err(|error| error.noted(draft))
    }

    fn delegated(
        &self,
        caller: &Caller,
        to: &str,
        documents: &[UniqueId],
    ) -> Result<Asker, DelegationError> {
        let Some((delegations, mode)) = &self.delegations else { return Ok(caller.clone().into()) };
        match (&self.statement, caller) {
            (Some(statement), Caller::System(system)) => {
                delegations.asker(statement, system, to, documents)
            }
            // An assertion speaks of somebody already.
            (Some(_), Caller::User(_) | Caller::Citizen(_)) => Err(DelegationError::NotPermitted),
            (None, _) if *mode == DelegationMode::Required && caller.has_right(Right::Delegate) => {
                Err(DelegationError::Missing)
            }
            (None, _) => Ok(caller.clone().into()),
        }
    }

    /// The same for a listener by which this one comes in.
    #[must_use]
    pub fn of(&self, listener: Caller) -> Self {
        Self { listener, ..self.clone() }
    }

    /// Who comes in by the listener, for what is not SOAP.
    pub fn listener(&self) -> &Caller {
        &self.listener
    }

    /// What the reader of a message understands.
    pub fn understood(&self) -> Understood {
        Understood { security: self.xua.is_some(), ..Understood::default() }
    }

    /// Who sends this message. Asked before anything behind the headers is read; the record is told,
    /// of a refusal with its reason, which the sender does not learn.
    ///
    /// # Errors
    /// A fault of WS-Security.
    pub fn of_message(
        &self,
        envelope: &str,
        peer: &Peer,
        draft: &AuditDraft,
    ) -> Result<Caller, SoapError> {
        match self.identify(envelope, peer) {
            Ok(caller) => {
                draft.caller(&caller);
                if let Some(asserted) = caller.asserted() {
                    let purpose = asserted.purpose.map_or("unknown", |purpose| purpose.code());
                    draft.fill(|event| event.purpose = Some(purpose.to_owned()));
                }
                Ok(caller)
            }
            Err(why) => {
                tracing::warn!(why = why.code(), "an assertion was refused");
                draft.outcome(AuditOutcome::Refused);
                draft.fill(|event| {
                    "user authentication".clone_into(&mut event.interaction);
                    event.error = Some(why.to_string());
                });
                Err(SoapError::Security(why.fault()))
            }
        }
    }

    fn identify(&self, envelope: &str, peer: &Peer) -> Result<Caller, SamlError> {
        let Some((xua, mode)) = &self.xua else { return Ok(self.listener.clone()) };
        // A person is not a system that could bring another.
        let Caller::System(system) = &self.listener else { return Err(SamlError::OtherToken) };
        match xua.person(envelope, peer, system)? {
            Some(person) => Ok(Caller::User(Box::new(person))),
            None if *mode == XuaMode::Required => Err(SamlError::Missing),
            None => Ok(self.listener.clone()),
        }
    }
}

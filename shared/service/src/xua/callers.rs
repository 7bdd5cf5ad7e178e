use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_codec::saml::SamlError;
use carerecord_codec::soap::{SoapError, Understood};

use super::{Peer, Xua, XuaMode};
use crate::AuditDraft;

/// How the caller of a message at one listener is known.
#[derive(Clone)]
pub struct Callers {
    listener: Caller,
    xua: Option<(Arc<Xua>, XuaMode)>,
}

/// Whoever comes in by the listener, and nobody else.
impl From<Caller> for Callers {
    fn from(listener: Caller) -> Self {
        Self { listener, xua: None }
    }
}

impl Callers {
    /// The same where messages can carry assertions.
    #[must_use]
    pub fn with_xua(self, xua: Arc<Xua>, mode: XuaMode) -> Self {
        let xua = (mode != XuaMode::Off).then_some((xua, mode));
        Self { xua, ..self }
    }

    /// The same for a listener by which this one comes in.
    #[must_use]
    pub fn of(&self, listener: Caller) -> Self {
        Self { listener, xua: self.xua.clone() }
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

use std::collections::HashSet;

use carerecord_access::{AccessRecord, Caller, Decision, Proofing, Rule};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::document_key;

/// One message in or out, with its answer. Fields that the transaction does not have stay empty.
///
/// The record is patient data; it is read by those who may audit, and goes nowhere else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The record's own id.
    pub id: Uuid,
    /// When the answer was ready.
    pub recorded_at: Timestamp,
    /// Which role of which process: `registry`, `node 2.999…`, `portal`.
    pub recorder: String,
    /// `in` for a message we answered, `out` for one we sent.
    pub direction: String,
    /// `soap`, `fhir`, `web`, `http`.
    pub transport: String,
    /// The transaction or interaction: `ITI-18`, `search DocumentReference`.
    pub interaction: String,
    /// Method and route; never a query string.
    pub request: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// Milliseconds from the first byte of the request to the answer.
    pub duration_ms: u64,
    /// Bytes of the request's body, when told.
    pub request_bytes: Option<u64>,
    /// Whose record was concerned.
    pub subject: Option<NhsNumber>,
    /// Who asked.
    pub actor: Option<AuditActor>,
    /// The network address of the peer.
    pub peer: Option<String>,
    /// What for.
    pub purpose: Option<String>,
    /// What was decided, when something was.
    pub decision: Option<AuditDecision>,
    /// Ids of documents that were listed.
    pub listed: Vec<String>,
    /// Documents that were opened or published.
    pub documents: Vec<DocumentRef>,
    /// How many objects were withheld.
    pub withheld: usize,
    /// The caller's id of the request.
    pub request_id: Option<String>,
    /// The message's own id (`wsa:MessageID`).
    pub message_id: Option<String>,
    /// What went wrong, by code.
    pub error: Option<String>,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// Done.
    Success,
    /// Not permitted.
    Refused,
    /// Asked for something that cannot be done, or wrongly.
    Rejected,
    /// We failed.
    Failed,
}

impl AuditOutcome {
    /// The word in the store and in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    /// What an HTTP status says when nothing more is known.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Refused,
            400..=499 => Self::Rejected,
            500.. => Self::Failed,
            _ => Self::Success,
        }
    }
}

/// Who asked, as far as it is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditActor {
    /// The user's or system's id.
    pub id: String,
    /// The user's name.
    pub name: Option<String>,
    /// The organisation acted for.
    pub organisation: String,
    /// The job role.
    pub role: Option<String>,
    /// The role profile.
    pub role_profile: Option<String>,
    /// Assurance of the sign-in, or how the system was known.
    pub known_by: String,
    /// The client application.
    pub client: Option<String>,
    /// A person who came by an assertion, as ATNA names them: `alias<user@issuer>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The id of that assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<String>,
}

impl From<&Caller> for AuditActor {
    fn from(caller: &Caller) -> Self {
        match caller {
            Caller::User(user) => Self {
                id: user.user_id.clone(),
                name: Some(user.name.clone()),
                organisation: user.organisation.to_string(),
                role: Some(user.role.clone()),
                role_profile: Some(user.role_profile_id.clone()),
                known_by: format!("{:?}", user.assurance).to_uppercase(),
                client: Some(user.client_id.clone()),
                user_name: user.asserted.as_ref().map(|a| a.user_name(&user.user_id)),
                assertion: user.asserted.as_ref().map(|a| a.assertion_id.clone()),
            },
            Caller::System(system) => Self {
                id: system.name.clone(),
                name: None,
                organisation: system.organisation.to_string(),
                role: None,
                role_profile: None,
                known_by: system.known_by.to_owned(),
                client: None,
                user_name: None,
                assertion: None,
            },
            Caller::Citizen(citizen) => Self {
                id: citizen.user_id.clone(),
                name: Some(citizen.name.clone()),
                organisation: citizen.organisation.to_string(),
                role: None,
                role_profile: None,
                known_by: format!("{:?}", citizen.proofing),
                client: Some(citizen.client_id.clone()),
                user_name: None,
                assertion: None,
            },
        }
    }
}

impl AuditActor {
    /// Whether a citizen acted: staff and systems are known in other ways.
    pub fn is_citizen(&self) -> bool {
        self.role.is_none() && Proofing::from_code(&self.known_by).is_some()
    }
}

/// A decision, as it is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditDecision {
    /// `permit` or `deny`.
    pub outcome: String,
    /// The rule's id.
    pub rule: String,
    /// Who set it.
    pub set_by: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Agreement, consent model and other facts used.
    pub basis: Vec<String>,
}

impl From<&Decision> for AuditDecision {
    fn from(decision: &Decision) -> Self {
        Self {
            outcome: if decision.is_permit() { "permit" } else { "deny" }.to_owned(),
            rule: decision.rule.id().to_owned(),
            set_by: decision.set_by.clone(),
            since: decision.since,
            basis: decision.basis.clone(),
        }
    }
}

/// A document that was opened or published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentRef {
    /// Its uniqueId or entryUUID.
    pub id: String,
    /// SHA-1 of the bytes, when known.
    pub hash: Option<String>,
}

impl AuditEvent {
    /// A message that has just come in, of which nothing more is known.
    pub fn incoming(id: Uuid, now: Timestamp, recorder: &str, transport: &str) -> Self {
        Self {
            id,
            recorded_at: now,
            recorder: recorder.to_owned(),
            direction: "in".to_owned(),
            transport: transport.to_owned(),
            interaction: "unknown".to_owned(),
            request: String::new(),
            status: 0,
            outcome: AuditOutcome::Success,
            duration_ms: 0,
            request_bytes: None,
            subject: None,
            actor: None,
            peer: None,
            purpose: None,
            decision: None,
            listed: Vec::new(),
            documents: Vec::new(),
            withheld: 0,
            request_id: None,
            message_id: None,
            error: None,
        }
    }
}

impl AccessRecord for AuditEvent {
    fn organisation(&self) -> Option<&str> {
        self.actor.as_ref().map(|actor| actor.organisation.as_str())
    }

    fn names_any(&self, documents: &HashSet<String>) -> bool {
        self.document_keys().any(|id| documents.contains(&id))
    }

    fn keep_documents(&mut self, documents: &HashSet<String>) {
        self.listed.retain(|id| documents.contains(&document_key(id)));
        self.documents.retain(|document| documents.contains(&document_key(&document.id)));
        self.withheld = 0;
    }

    fn forget_patient(&mut self) {
        self.subject = None;
        self.listed.clear();
        self.documents.clear();
        self.withheld = 0;
        // What a patient has said, and how a document is marked, is theirs too.
        if let Some(decision) = &mut self.decision {
            decision.basis.clear();
            decision.set_by = None;
            decision.since = None;
            if Rule::from_id(&decision.rule).is_none_or(|rule| !rule.is_about_the_session()) {
                NOT_TOLD_RULE.clone_into(&mut decision.rule);
            }
        }
    }

    fn forget_place(&mut self) {
        let role = self.actor.as_ref().and_then(|actor| actor.role.clone());
        if let Some(actor) = &mut self.actor {
            *actor = AuditActor {
                id: NOT_TOLD.to_owned(),
                name: None,
                organisation: String::new(),
                role,
                role_profile: None,
                known_by: actor.known_by.clone(),
                client: None,
                user_name: None,
                assertion: None,
            };
        }
        NOT_TOLD.clone_into(&mut self.recorder);
        self.peer = None;
        self.listed.clear();
        self.documents.clear();
        if let Some(decision) = &mut self.decision {
            decision.basis.clear();
            decision.set_by = None;
        }
    }

    fn citizen(&self) -> Option<&str> {
        self.actor.as_ref().filter(|actor| actor.is_citizen()).map(|actor| actor.id.as_str())
    }

    fn keep_for_subject(&mut self, named: bool) {
        if let Some(actor) = &mut self.actor {
            let hidden = !named && !actor.is_citizen() && actor.role.is_some();
            if hidden {
                NOT_TOLD.clone_into(&mut actor.id);
                actor.name = None;
                actor.role_profile = None;
                actor.user_name = None;
                actor.assertion = None;
            }
            actor.client = None;
        }
        self.peer = None;
        self.message_id = None;
        self.listed.clear();
        self.documents.clear();
        self.withheld = 0;
        self.error = None;
        if let Some(decision) = &mut self.decision {
            decision.basis.clear();
            // That there is something of such a kind is not for everybody who acts for somebody.
            if matches!(Rule::from_id(&decision.rule), Some(Rule::Label | Rule::Withheld)) {
                NOT_TOLD_RULE.clone_into(&mut decision.rule);
            }
        }
    }
}

/// In the place of what the reader must not know.
pub const NOT_TOLD: &str = "withheld";
/// In the place of the rule that decided.
const NOT_TOLD_RULE: &str = "not-told";

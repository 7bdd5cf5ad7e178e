//! Records in the forms of ATNA (ITI-20) and BALP, for repositories of audit records.

mod balp;
mod dicom;
mod feed;
mod fhir;
mod kind;

pub use balp::audit_event;
pub(crate) use balp::event_codes;
pub use dicom::{audit_message, is_normal};
pub use feed::AtnaFeed;
pub use fhir::{FhirFeed, FhirFeedError, FhirRepository, TokenSource};

use carerecord_access::Purpose;

use crate::{AuditActor, AuditEvent, AuditOutcome};

/// EventOutcomeIndicator, and `outcome` in FHIR. DICOM PS3.15 A.5.2.
fn outcome(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Success => "0",
        AuditOutcome::Rejected => "4",
        AuditOutcome::Refused => "8",
        AuditOutcome::Failed => "12",
    }
}

/// The code of HL7's ActReason; `None` for what a client called otherwise.
fn reason(purpose: &str) -> Option<&'static str> {
    Purpose::from_code(purpose).map(|purpose| match purpose {
        Purpose::DirectCare => "TREAT",
        Purpose::PatientAccess | Purpose::SubjectAccess => "PATRQT",
        Purpose::Audit | Purpose::ServiceDesk => "HSYSADMIN",
        Purpose::Legal => "HLEGAL",
    })
}

/// The address without the port.
fn host(peer: &str) -> &str {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    host.trim_matches(['[', ']'])
}

/// Whether a person acted, and not a system for itself.
fn is_person(actor: &AuditActor) -> bool {
    actor.name.is_some() || actor.role.is_some()
}

/// The system at the other end.
fn client(event: &AuditEvent) -> &str {
    let actor = event.actor.as_ref();
    let client = actor.and_then(|a| match (&a.client, is_person(a)) {
        (Some(client), _) => Some(client.as_str()),
        (None, false) => Some(a.id.as_str()),
        (None, true) => None,
    });
    client.unwrap_or("unknown")
}

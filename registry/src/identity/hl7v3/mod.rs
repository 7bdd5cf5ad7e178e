//! ITI-44: the feed as HL7 v3 over SOAP. ITI TF-2: 3.44.

mod acknowledge;
mod read;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_audit::AuditOutcome;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_service::{AuditDraft, Peer};
use carerecord_xml::{Limits, Tree, to_utf8};

use acknowledge::{Verdict, acknowledge};
use read::{Interaction, event};

use crate::router::Door;
use crate::store::FeedError;

/// Answers `POST /xds/identity`.
pub(crate) async fn identity(door: Door, draft: AuditDraft, peer: Peer, body: Bytes) -> Response {
    draft.caller(door.callers.listener());
    draft.fill(|e| e.interaction = "ITI-44".to_owned());
    let text = match to_utf8(&body) {
        Ok(text) => text,
        Err(error) => return fault(&door, &draft, &error.into(), &Headers::default()),
    };
    let caller = match door.callers.of_message(&text, &peer, &draft) {
        Ok(caller) => caller,
        Err(error) => return fault(&door, &draft, &error, &soap::headers(&text)),
    };
    let read = soap::read_with(door.callers.understood(), &text, |headers, _, xml| {
        let interaction = Interaction::of(&headers.action).ok_or(SoapError::ActionNotSupported)?;
        xml.skip()?;
        Ok(interaction)
    });
    let (headers, interaction) = match read {
        Ok(read) => read,
        Err((error, headers)) => return fault(&door, &draft, &error, &headers),
    };
    draft.fill(|e| e.message_id.clone_from(&headers.message_id));
    let tree = match Tree::read(&text, Limits::metadata()) {
        Ok(tree) => tree,
        Err(error) => return fault(&door, &draft, &error.into(), &headers),
    };
    let message = tree.root().descendants().find(|e| e.ns() == HL7);
    if !message.is_some_and(|message| interaction.is_of(message)) {
        draft.outcome(AuditOutcome::Rejected);
        let text = "the interaction of the message is not that of the SOAP action".to_owned();
        let verdict = Verdict::Reject { text, code: None };
        return acknowledge(&door, &draft, &headers, message, &verdict);
    }
    let done = match event(tree.root(), interaction) {
        Ok(event) => door.registry.identity_feed(&caller, event, &draft).await,
        Err(error) => Err(error),
    };
    let verdict = match &done {
        Ok(()) => Verdict::Accept,
        Err(error) => {
            draft.outcome(match error {
                FeedError::Wrong(_) => AuditOutcome::Rejected,
                FeedError::Refused => AuditOutcome::Refused,
                FeedError::Store(e) => {
                    tracing::error!(error = %e, "an identity event was not stored");
                    AuditOutcome::Failed
                }
            });
            Verdict::from(error)
        }
    };
    acknowledge(&door, &draft, &headers, message, &verdict)
}

/// How many events a message could be.
pub(crate) fn events(bytes: &[u8]) -> usize {
    let Ok(text) = to_utf8(bytes) else { return 0 };
    let Ok(tree) = Tree::read(&text, Limits::metadata()) else { return 0 };
    let all = [Interaction::Added, Interaction::Revised, Interaction::DuplicatesResolved];
    all.into_iter().filter(|interaction| event(tree.root(), *interaction).is_ok()).count()
}

fn fault(door: &Door, draft: &AuditDraft, error: &SoapError, request: &Headers) -> Response {
    // Who was refused has the reason in the record already.
    draft.fill(|e| _ = e.error.get_or_insert_with(|| error.to_string()));
    let status =
        StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = format!("urn:uuid:{}", door.ids.random());
    let body = error.to_envelope(&id, request.message_id.as_deref());
    (status, [(header::CONTENT_TYPE, "application/soap+xml; charset=UTF-8")], body).into_response()
}

const HL7: &str = "urn:hl7-org:v3";

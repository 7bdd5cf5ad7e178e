//! `Patient/$access-pack`: a subject access pack, asked for, followed and fetched. FHIR R4,
//! Asynchronous Request Pattern; NHS: 5.8.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_access::{AuditReach, Caller, Purpose, Refused};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{Issue, outcome};
use carerecord_model::NhsNumber;
use serde_json::{Value, json};
use uuid::Uuid;

use super::input::{Sent, uuid};
use super::parameters::{Parameters, wrong};
use super::{Session, answer};
use crate::Portal;
use crate::access_pack::{AccessPacks, Given, Made, NotTaken, Owner, Pack, Stage, Wanted};
use crate::error::FhirError;
use crate::opened::Opened;

/// Takes a request for a pack: 202, with the address where its state is told.
pub(crate) async fn ask(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("access pack asked for");
    let asked = Asked::read(&session.caller, &sent);
    if let Ok(asked) = &asked {
        session.draft.fill(|event| event.subject = Some(asked.patient));
    }
    let staff = may_ask(&portal, &session)?;
    let asked = asked?;
    let purpose = purpose(&session, staff.as_ref());
    let number = judged(&portal, &session, purpose, asked.patient).await?.opened.number;
    let packs = of(&portal)?;
    let id = portal.ids.random();
    let said =
        |what: &str, words: &Option<String>| words.as_ref().map(|words| format!("{what} {words}"));
    session.draft.fill(|event| {
        event.status = StatusCode::ACCEPTED.as_u16();
        event.listed = vec![format!("access-pack {id}")];
        event.listed.extend(said("reference", &asked.reference));
        event.listed.extend(said("reason", &asked.reason));
    });
    let taken = packs.ask(Wanted {
        id,
        caller: session.caller.clone(),
        purpose,
        patient: number,
        reason: asked.reason,
        reference: asked.reference,
        audit: session.draft.to_commit(AuditOutcome::Success),
    });
    let pack = taken.await.map_err(not_taken)?;
    session.draft.committed();
    let url = format!("{}/Patient/$access-pack/{}", portal.config.base_url, pack.id);
    let mut response = answer::resource(StatusCode::ACCEPTED, told(&portal, &pack));
    if let Ok(url) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::CONTENT_LOCATION, url);
    }
    Ok(response)
}

/// Tells of the packs that the caller has asked for, what they called them and where each stands: nothing
/// of whom they are about or what is in them, as it is not decided about each of them here.
pub(crate) async fn list(
    State(portal): State<Portal>,
    session: Session,
) -> Result<Response, FhirError> {
    session.does("access packs listed");
    may_ask(&portal, &session)?;
    let packs = of(&portal)?;
    let own = packs.of(&Owner::from(&session.caller)).await.map_err(|e| folder(&e))?;
    let part = |pack: &Pack| json!({"name": "pack", "part": named(pack)});
    let all: Vec<Value> = own.iter().map(part).collect();
    let answer = json!({"resourceType": "Parameters", "parameter": all});
    Ok(answer::resource(StatusCode::OK, answer))
}

/// Tells how far a pack is: 202 while it is made, then 200 with what is to be fetched.
pub(crate) async fn state(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("access pack followed");
    let (pack, judged) = own(&portal, &session, &id).await?;
    let status = match (&pack.stage, &pack.progress) {
        (Stage::Ready(made), _) => {
            still(&portal, &session, &judged, &pack, &made.given).await?;
            StatusCode::OK
        }
        (Stage::Withdrawn, _) => return Err(WITHDRAWN),
        (Stage::Making, Some(_)) => StatusCode::ACCEPTED,
        (Stage::Making, None) => return Err(BROKEN_OFF),
        (Stage::Failed, _) => return Err(NOT_MADE),
    };
    let mut response = answer::resource(status, told(&portal, &pack));
    if let Some(progress) = pack.progress.filter(|_| status == StatusCode::ACCEPTED) {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        if let Ok(words) = HeaderValue::from_str(&progress.words()) {
            headers.insert("x-progress", words);
        }
    } else {
        session.draft.fill(|event| event.subject = Some(pack.patient));
    }
    Ok(response)
}

/// Gives the pack, as a ZIP file.
pub(crate) async fn fetch(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("access pack fetched");
    let (pack, judged) = own(&portal, &session, &id).await?;
    session.draft.fill(|event| event.subject = Some(pack.patient));
    let made = match &pack.stage {
        Stage::Ready(made) => made,
        Stage::Withdrawn => return Err(WITHDRAWN),
        Stage::Making | Stage::Failed => return Err(NOT_READY),
    };
    still(&portal, &session, &judged, &pack, &made.given).await?;
    let bytes = of(&portal)?.bytes(pack.id, made.size).await.map_err(|e| folder(&e))?;
    let name = format!("attachment; filename=\"access-pack-{}.zip\"", short(pack.id));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(ZIP)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_LENGTH, made.size.into()),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    Ok((headers, Body::from_stream(bytes)).into_response())
}

/// Stops the making of a pack, and removes it.
pub(crate) async fn remove(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("access pack removed");
    let (pack, _) = own(&portal, &session, &id).await?;
    session.draft.fill(|event| event.subject = Some(pack.patient));
    of(&portal)?.remove(pack.id).await.map_err(|e| folder(&e))?;
    let done = outcome(vec![Issue::information("The pack was removed.")]);
    Ok(answer::resource(StatusCode::ACCEPTED, done))
}

/// What is asked for.
struct Asked {
    patient: NhsNumber,
    reason: Option<String>,
    reference: Option<String>,
}

impl Asked {
    fn read(caller: &Caller, sent: &Value) -> Result<Self, FhirError> {
        let parameters = Parameters::of(sent)?;
        parameters.only(&["patient", "reason", "reference"])?;
        let patient = parameters.patient()?;
        let reason = parameters.text("reason", LONGEST_REASON)?;
        let reference = parameters.text("reference", LONGEST_REFERENCE)?;
        let is_citizen = matches!(caller, Caller::Citizen(_));
        if !is_citizen && (reason.is_none() || reference.is_none()) {
            return Err(wrong("reason and reference: say why, and what you call the matter"));
        }
        Ok(Self { patient, reason, reference })
    }
}

/// Whether the caller may have packs made at all, before anybody is named; of staff, how much of the
/// record of accesses they may read.
fn may_ask(portal: &Portal, session: &Session) -> Result<Option<AuditReach>, FhirError> {
    let may = match &session.caller {
        Caller::Citizen(_) => portal.access.may_citizens_make_access_packs().map(|()| None),
        Caller::User(_) | Caller::System(_) => {
            portal.access.may_make_access_packs(&session.caller).map(Some)
        }
    };
    let reach = session.note(may.map_err(FhirError::from))?;
    if let Some(reach) = &reach {
        session.draft.fill(|event| event.purpose = Some(reach.purpose().code().to_owned()));
        session.draft.decision(&reach.decision());
    }
    Ok(reach)
}

fn purpose(session: &Session, staff: Option<&AuditReach>) -> Purpose {
    staff.map_or(session.purpose, AuditReach::purpose)
}

/// That a caller may have a pack about a person, as far as this says.
struct Judged {
    opened: Opened,
    reach: AuditReach,
    purpose: Purpose,
}

/// Whether the caller may have a pack about this person, decided now.
async fn judged(
    portal: &Portal,
    session: &Session,
    purpose: Purpose,
    patient: NhsNumber,
) -> Result<Judged, FhirError> {
    let opened = session.note(portal.open(&session.caller, purpose, patient).await)?;
    session.draft.fill(|event| event.subject = Some(opened.number));
    let reach: Result<AuditReach, Refused> = portal.pack_reach(&session.caller, &opened);
    let reach = session.note(reach.map_err(FhirError::from))?;
    session.draft.decision(&reach.decision());
    Ok(Judged { opened, reach, purpose })
}

/// Whether all that is in a pack may still be given to its asker. One of which that is not so is
/// withdrawn.
async fn still(
    portal: &Portal,
    session: &Session,
    judged: &Judged,
    pack: &Pack,
    given: &Given,
) -> Result<(), FhirError> {
    let Judged { opened, reach, purpose } = judged;
    let still = portal.may_still_have(*purpose, opened, reach, given).await;
    match session.note(still) {
        Ok(true) => Ok(()),
        Ok(false) | Err(FhirError::Refused(_)) => {
            session.draft.fill(|event| event.subject = Some(pack.patient));
            session.draft.outcome(AuditOutcome::Refused);
            of(portal)?.withdraw(pack).await.map_err(|e| folder(&e))?;
            Err(WITHDRAWN)
        }
        Err(error) => Err(error),
    }
}

/// A pack of the caller's, who may still have it: of another's it is as if there were none.
async fn own(portal: &Portal, session: &Session, id: &str) -> Result<(Pack, Judged), FhirError> {
    let staff = may_ask(portal, session)?;
    let id = uuid(id)?;
    session.draft.fill(|event| event.listed = vec![format!("access-pack {id}")]);
    let (packs, owner) = (of(portal)?, Owner::from(&session.caller));
    let Some(pack) = packs.pack(id, &owner).await.map_err(|e| folder(&e))? else {
        if packs.is_of_another(id, &owner).await.map_err(|e| folder(&e))? {
            session.draft.outcome(AuditOutcome::Refused);
        }
        return Err(FhirError::NotFound);
    };
    let purpose = purpose(session, staff.as_ref());
    let judged = judged(portal, session, purpose, pack.patient).await?;
    // A state alone tells nothing of the person.
    session.draft.fill(|event| event.subject = None);
    Ok((pack, judged))
}

fn of(portal: &Portal) -> Result<&AccessPacks, FhirError> {
    portal.access_packs.as_ref().ok_or(NONE_HERE)
}

/// What is told of a pack to who may have it.
fn told(portal: &Portal, pack: &Pack) -> Value {
    let mut all = named(pack);
    if let Some(reason) = &pack.reason {
        all.push(json!({"name": "reason", "valueString": reason}));
    }
    if let (Stage::Making, Some(progress)) = (&pack.stage, &pack.progress) {
        all.push(json!({"name": "progress", "valueString": progress.words()}));
    }
    if let Stage::Ready(made) = &pack.stage {
        all.extend(contents(portal, pack.id, made));
    }
    json!({"resourceType": "Parameters", "parameter": all})
}

/// Which pack it is, and where it stands.
fn named(pack: &Pack) -> Vec<Value> {
    let state = match (&pack.stage, &pack.progress) {
        (Stage::Ready(_), _) => "ready",
        (Stage::Making, Some(_)) => "making",
        (Stage::Making, None) => "broken-off",
        (Stage::Failed, _) => "failed",
        (Stage::Withdrawn, _) => "withdrawn",
    };
    let mut all = vec![
        json!({"name": "id", "valueId": pack.id.to_string()}),
        json!({"name": "state", "valueCode": state}),
        json!({"name": "asked", "valueInstant": pack.asked_at.to_string()}),
        json!({"name": "expires", "valueInstant": pack.expires_at.to_string()}),
    ];
    if let Some(reference) = &pack.reference {
        all.push(json!({"name": "reference", "valueString": reference}));
    }
    all
}

fn contents(portal: &Portal, id: Uuid, made: &Made) -> Vec<Value> {
    let count = |name: &str, n: usize| json!({"name": name, "valueUnsignedInt": n});
    let url = format!("{}/Patient/$access-pack/{id}/file", portal.config.base_url);
    let mut all = vec![
        json!({"name": "made", "valueInstant": made.made_at.to_string()}),
        json!({"name": "output", "part": [
            {"name": "type", "valueCode": ZIP},
            {"name": "url", "valueUrl": url},
            {"name": "size", "valueDecimal": made.size},
        ]}),
        count("documents", made.documents),
        count("contents", made.contents),
        count("accesses", made.accesses),
        count("refused", made.refused),
        json!({"name": "complete", "valueBoolean": made.missing.is_empty()}),
    ];
    let missing = made.missing.iter();
    all.extend(missing.map(|words| json!({"name": "missing", "valueString": words})));
    all
}

fn not_taken(error: NotTaken) -> FhirError {
    match error {
        NotTaken::TooMany => TOO_MANY,
        NotTaken::Full => FULL,
        NotTaken::Busy => FhirError::TooMany(std::time::Duration::from_secs(60)),
        NotTaken::Folder(error) => folder(&error),
        NotTaken::NotRecorded(error) => FhirError::store(&error),
    }
}

fn folder(error: &std::io::Error) -> FhirError {
    if error.kind() == std::io::ErrorKind::InvalidData {
        tracing::error!(%error, "what is kept of an access pack is not what was written");
        return ALTERED;
    }
    tracing::error!(%error, "the folder of access packs failed");
    FhirError::Store
}

/// Names nobody: the name of a file stays on the reader's machine.
fn short(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

const NONE_HERE: FhirError =
    FhirError::Operation(StatusCode::NOT_FOUND, "not-supported", "No access packs are made here.");
pub(crate) const TOO_MANY: FhirError = FhirError::Operation(
    StatusCode::TOO_MANY_REQUESTS,
    "throttled",
    "You have as many packs as one person may have: remove one first.",
);
pub(crate) const FULL: FhirError = FhirError::Operation(
    StatusCode::TOO_MANY_REQUESTS,
    "throttled",
    "The packs of all people take as much room as they may. Ask again when some are gone.",
);
const NOT_READY: FhirError = FhirError::Operation(
    StatusCode::CONFLICT,
    "incomplete",
    "The pack is not made, or not yet: its state is told under its id.",
);
pub(crate) const BROKEN_OFF: FhirError = FhirError::Operation(
    StatusCode::GONE,
    "incomplete",
    "The service was restarted while the pack was made, and it is not there. Ask for it again.",
);
pub(crate) const NOT_MADE: FhirError = FhirError::Operation(
    StatusCode::GONE,
    "exception",
    "The pack could not be made, because a part of the service did not answer or had no room. Ask for it \
     again.",
);
pub(crate) const ALTERED: FhirError = FhirError::Operation(
    StatusCode::GONE,
    "exception",
    "What is kept of the pack is not what was made: it was altered, or a part of it is lost. Ask for it again.",
);
pub(crate) const WITHDRAWN: FhirError = FhirError::Operation(
    StatusCode::GONE,
    "deleted",
    "What you may have in the pack has changed since it was made, and it was removed. Ask for it again.",
);
const ZIP: &str = "application/zip";
const RETRY_SECONDS: &str = "2";
const LONGEST_REASON: usize = 500;
const LONGEST_REFERENCE: usize = 100;

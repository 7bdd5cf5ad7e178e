pub(crate) mod access_pack;
pub(crate) mod alerts;
pub(crate) mod answer;
pub(crate) mod audit_event;
pub(crate) mod binary;
pub(crate) mod break_glass;
mod cared_for;
pub(crate) mod citizen_access;
pub(crate) mod claim;
mod conditional;
pub(crate) mod consent;
pub(crate) mod contract;
pub(crate) mod cross_reference;
pub(crate) mod detection;
pub(crate) mod document_reference;
pub(crate) mod elements;
pub(crate) mod episode_of_care;
pub(crate) mod feeds;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod may_see;
pub(crate) mod metadata;
pub(crate) mod mine;
mod paging;
mod parameters;
pub(crate) mod patient;
pub(crate) mod patient_match;
pub(crate) mod provenance;
pub(crate) mod provide;
mod resources;
pub(crate) mod simplified;
pub(crate) mod usage;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use carerecord_access::{Caller, Decision, Purpose, Refused, UserCaller, Withheld};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{Issue, outcome, refusal_issue};
use carerecord_service::audit_trail::PURPOSE;
use carerecord_service::{AuditDraft, ClientLimits, SignIn};
use serde_json::Value;

use crate::Portal;
use crate::error::FhirError;
use crate::oauth::{Permission, Scopes};
use crate::people::Kept;
use crate::token::{Judged, TokenError};

/// An answer to citizens who ask for what is for staff and systems.
pub(crate) const NOT_FOR_CITIZENS: &str = "This is not for citizens: they read their own record, who \
    looked at it, and what they have said about sharing it.";

/// A caller with a valid token, and what the record is opened for.
pub(crate) struct Session {
    pub caller: Caller,
    pub purpose: Purpose,
    pub draft: AuditDraft,
    /// What alone may be asked, where the token says it.
    scopes: Option<Scopes>,
    /// The sign-in, of who shows the token of a sign-in provider.
    sign_in: Option<SignIn>,
}

impl Session {
    /// A member of staff who has signed in themself, and by what.
    pub(crate) fn signed_in(&self) -> Option<(&UserCaller, &SignIn)> {
        match (&self.caller, &self.sign_in) {
            (Caller::User(user), Some(sign_in)) => Some((user, sign_in)),
            (Caller::User(_) | Caller::System(_) | Caller::Citizen(_), _) => None,
        }
    }

    /// Names the interaction in the audit record.
    pub(crate) fn does(&self, interaction: &str) {
        self.draft.fill(|event| interaction.clone_into(&mut event.interaction));
    }

    /// Whether the token may search for what is to stand beside what matches, too.
    pub(crate) fn may_include<'k>(
        &self,
        kinds: impl IntoIterator<Item = &'k str>,
    ) -> Result<(), FhirError> {
        let Some(scopes) = &self.scopes else { return Ok(()) };
        let may = kinds.into_iter().all(|kind| scopes.permit(kind, Permission::Search));
        if may { Ok(()) } else { Err(OUT_OF_SCOPE) }
    }

    /// Notes a refusal on its way to the caller.
    pub(crate) fn note<T>(&self, result: Result<T, FhirError>) -> Result<T, FhirError> {
        result.inspect_err(|error| self.note_refusal(error))
    }

    /// The same of an error alone.
    pub(crate) fn note_refusal(&self, error: &FhirError) {
        if let FhirError::Refused(refused) = error {
            self.refused(refused);
        }
    }

    fn refused(&self, refused: &Refused) {
        self.draft.decision(&refused.decision);
        self.draft.outcome(AuditOutcome::Refused);
    }

    /// Notes why people are told of, and how many are not; where nobody is left, that it was refused.
    /// Gives what leaves.
    pub(crate) fn kept<T>(&self, Kept { released, left_out }: Kept<T>) -> T {
        self.draft.decision(released.decision());
        self.draft.fill(|event| event.withheld = left_out.people.len());
        if let Some(refused) = left_out.refused {
            self.refused(&refused);
            if let [number] = left_out.people.as_slice() {
                self.draft.fill(|event| event.subject = event.subject.or(Some(*number)));
            }
        }
        released.into_value()
    }
}

impl FromRequestParts<Portal> for Session {
    type Rejection = FhirError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, FhirError> {
        let draft = AuditDraft::from_request_parts(parts, portal).await.map_err(|_| {
            FhirError::Unauthorised("The service is not set up to record accesses.")
        })?;
        let selected = parts.headers.get("x-selected-role").and_then(|v| v.to_str().ok());
        let token = bearer(&parts.headers).ok_or(TokenError::Missing);
        let judged = match token {
            Ok(token) => portal.tokens.judge(token, selected).await,
            Err(error) => Err(error),
        };
        let judged = judged.map_err(|error| refused_token(&error))?;
        draft.caller(&judged.caller);
        if let Some(limits) = parts.extensions.get::<ClientLimits>() {
            limits.admit_named(judged.caller.id()).map_err(|too_many| {
                draft.outcome(AuditOutcome::Refused);
                FhirError::TooMany(too_many.wait)
            })?;
        }
        if matches!(judged.caller, Caller::Citizen(_))
            && !is_for_citizens(&parts.method, parts.uri.path())
        {
            draft.outcome(AuditOutcome::Refused);
            return Err(FhirError::Scope(NOT_FOR_CITIZENS));
        }
        if let Some(scopes) = &judged.scopes {
            within(scopes, &parts.method, parts.uri.path())?;
        }
        let purpose = match parts.headers.get(PURPOSE).map(|v| v.to_str()) {
            None => judged.purpose.unwrap_or_default(),
            Some(Ok(code)) => Purpose::from_code(code).ok_or_else(|| {
                FhirError::Body("X-Purpose-Of-Use is not one that is known".into())
            })?,
            Some(Err(_)) => return Err(FhirError::Body("X-Purpose-Of-Use is not text".into())),
        };
        draft.fill(|event| event.purpose = Some(purpose.code().to_owned()));
        if judged.purpose.is_some_and(|only| only != purpose) {
            return Err(FhirError::Scope("The access token is for another purpose."));
        }
        let Judged { caller, scopes, sign_in, .. } = judged;
        Ok(Self { caller, purpose, draft, scopes, sign_in })
    }
}

/// What a caller is told whose token is not taken.
pub(crate) fn refused_token(error: &TokenError) -> FhirError {
    match error {
        TokenError::Missing => {
            FhirError::Unauthorised("Send a bearer token of the sign-in service.")
        }
        TokenError::Invalid => {
            FhirError::Unauthorised("The access token is not valid or has ended. Sign in again.")
        }
        TokenError::RoleNotSelected => FhirError::RoleNotSelected,
        TokenError::SignOutsUnavailable => FhirError::Store,
        TokenError::KeysUnavailable => {
            FhirError::Registry(carerecord_model::PortError::Unavailable(error.to_string()))
        }
    }
}

/// Whether a token's scopes have what a request does.
fn within(scopes: &Scopes, method: &Method, path: &str) -> Result<(), FhirError> {
    let mut parts = path.trim_start_matches("/fhir/").split('/');
    let resource = parts.next().unwrap_or_default();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let asks = |name: &str| match name {
        "_search" | "$match" | "$ihe-pix" => true,
        // Who else may see a record is no question of an app's.
        "$may-see" => !scopes.are_of_an_app(),
        _ => false,
    };
    let publishes = *method == Method::POST && PUBLISH.contains(&path);
    let permission = match (parts.next(), parts.next()) {
        _ if publishes => Permission::Publish,
        (None, None) if reads => Permission::Search,
        (Some(name), None) if asks(name) => Permission::Search,
        (Some(name), None) if reads && !name.starts_with('$') => Permission::Read,
        _ => Permission::Write,
    };
    if scopes.permit(resource, permission) {
        return Ok(());
    }
    Err(OUT_OF_SCOPE)
}

const OUT_OF_SCOPE: FhirError =
    FhirError::Scope("The access token does not have the scope for this.");
/// Where documents are published: ITI-65, 105 and 106.
const PUBLISH: [&str; 4] =
    ["/fhir", "/fhir/", "/fhir/DocumentReference", "/fhir/DocumentReference/$generate-metadata"];

/// Whether citizens may ask for something at all: what is not named here they may not.
fn is_for_citizens(method: &Method, path: &str) -> bool {
    let mut parts = path.trim_start_matches("/fhir/").split('/');
    let resource = parts.next().unwrap_or_default();
    let (id, more) = (parts.next(), parts.next());
    if resource == "Patient" && id == Some("$access-pack") {
        return true;
    }
    if more.is_some() {
        return false;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let searches = (id.is_none() && reads) || (id == Some("_search") && *method == Method::POST);
    let is_id = |id: &str| !id.starts_with(['_', '$']);
    let by_id = id.is_some_and(is_id);
    match resource {
        "DocumentReference" | "List" => searches || (by_id && reads),
        "Binary" => by_id && reads,
        "AuditEvent" => searches,
        "Consent" => {
            let creates = id.is_none() && *method == Method::POST;
            searches || creates || (by_id && (reads || *method == Method::PUT))
        }
        "Patient" => id == Some("$mine") && reads,
        _ => false,
    }
}

/// Anything else below `/fhir`.
pub(crate) async fn fallback() -> FhirError {
    FhirError::NoRoute
}

/// A known address with another method; the router adds which ones it takes.
pub(crate) async fn wrong_method() -> FhirError {
    FhirError::Method
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The OperationOutcome that goes with a list: what is withheld and may be told.
pub(crate) fn withheld_issues(withheld: &Withheld) -> Vec<Issue> {
    let issue = |decision: &Decision| {
        let rule = decision.rule;
        refusal_issue(rule.id(), rule.explanation(), decision.provenance(), true)
    };
    withheld.told.iter().map(issue).collect()
}

pub(crate) fn outcome_entry(issues: Vec<Issue>) -> Option<Value> {
    (!issues.is_empty()).then(|| outcome(issues))
}

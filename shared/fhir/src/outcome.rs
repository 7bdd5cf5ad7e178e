use carerecord_model::{ErrorCode, RegistryError, Severity, TransactionError};
use serde_json::{Value, json};

use crate::Problem;

/// The system of decision rules in `details.coding`.
pub const DECISION_RULE: &str = "urn:carerecord:decision-rule";
/// The system of source states in `details.coding`.
pub const SOURCE_STATE: &str = "urn:carerecord:source-state";
/// The system of the states of logs in `details.coding`.
pub const LOG_STATE: &str = "urn:carerecord:log-state";

/// The system of what is said about overrides in `details.coding`.
pub const OVERRIDE: &str = "urn:carerecord:override";

/// The system of what is said about relationships in `details.coding`.
pub const RELATIONSHIP: &str = "urn:carerecord:relationship";

/// The system of what is said about consent in `details.coding`.
pub const CONSENT: &str = "urn:carerecord:consent";

/// One issue of an OperationOutcome.
#[derive(Clone, Debug)]
pub struct Issue(Value);

impl Issue {
    /// An error of a kind, in words for the reader.
    pub fn error(code: &str, text: &str) -> Self {
        Self(json!({"severity": "error", "code": code, "details": {"text": text}}))
    }
}

impl Issue {
    pub(crate) fn with(issue: Value) -> Self {
        Self(issue)
    }
}

/// An OperationOutcome.
pub fn outcome(issues: Vec<Issue>) -> Value {
    let issues: Vec<Value> = issues.into_iter().map(|i| i.0).collect();
    json!({"resourceType": "OperationOutcome", "issue": issues})
}

/// A refusal: the rule, what it says, and who set it since when. `in_list` is for a search that
/// goes on without what is withheld.
pub fn refusal_issue(
    rule: &str,
    explanation: &str,
    provenance: Option<String>,
    in_list: bool,
) -> Issue {
    let mut issue = json!({
        "severity": if in_list { "warning" } else { "error" },
        "code": if in_list { "suppressed" } else { "forbidden" },
        "details": {
            "coding": [{"system": DECISION_RULE, "code": rule}],
            "text": explanation,
        },
    });
    if let Some(provenance) = provenance {
        issue["diagnostics"] = provenance.into();
    }
    Issue(issue)
}

/// That the reader may open what is closed, whether or not anything is: nothing can be told from it.
pub fn override_offered() -> Issue {
    Issue(json!({
        "severity": "information",
        "code": "informational",
        "details": {
            "coding": [{"system": OVERRIDE, "code": "offered"}],
            "text": "You may open what is closed, with a reason. That is recorded and reviewed.",
        },
    }))
}

/// That the reader may claim the relationship that is missing.
pub fn claim_offered() -> Issue {
    Issue(json!({
        "severity": "information",
        "code": "informational",
        "details": {
            "coding": [{"system": RELATIONSHIP, "code": "may-claim"}],
            "text": "If you are caring for the patient you may say so, with a reason. That is recorded \
                and reviewed.",
        },
    }))
}

/// That the reader may record what the patient says about their record.
pub fn consent_recording_offered() -> Issue {
    Issue(json!({
        "severity": "information",
        "code": "informational",
        "details": {
            "coding": [{"system": CONSENT, "code": "may-record"}],
            "text": "You may record what the patient says about sharing this record.",
        },
    }))
}

/// That the reader may ask the patient whether their organisation may see the record.
pub fn asking_offered() -> Issue {
    Issue(json!({
        "severity": "information",
        "code": "informational",
        "details": {
            "coding": [{"system": CONSENT, "code": "may-ask"}],
            "text": "Ask the patient whether your organisation may see this record, and record a yes.",
        },
    }))
}

/// That the reader has opened what is closed, and until when.
pub fn override_in_force(reason: &str, until: &str) -> Issue {
    Issue(json!({
        "severity": "information",
        "code": "informational",
        "details": {
            "coding": [{"system": OVERRIDE, "code": "in-force"}],
            "text": reason,
        },
        "extension": [{"url": "urn:carerecord:until", "valueInstant": until}],
    }))
}

/// What became of asking one source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceState {
    /// It answered.
    Answered,
    /// It did not answer in time.
    Late,
    /// It could not be reached.
    Down,
    /// It could be reached, and would not answer.
    Refused,
    /// What it answered was no answer.
    Garbage,
    /// It has failed again and again, and is not asked for a while.
    Paused,
    /// It belongs to the region, but not to this record yet: nobody asks it.
    NotConnected,
}

impl SourceState {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Late => "late",
            Self::Down => "down",
            Self::Refused => "refused",
            Self::Garbage => "garbage",
            Self::Paused => "paused",
            Self::NotConnected => "not-connected",
        }
    }

    /// Severity and kind of its issue, and what it means for the list.
    fn told(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Answered => ("information", "informational", "The source answered."),
            Self::Late => (
                "warning",
                "timeout",
                "The source did not answer in time: its documents are listed, but may not open.",
            ),
            Self::Down => (
                "warning",
                "transient",
                "The source could not be asked: its documents are listed, but will not open.",
            ),
            Self::Refused => (
                "warning",
                "transient",
                "The source would not answer: its documents are listed, but may not open.",
            ),
            Self::Garbage => (
                "warning",
                "exception",
                "What the source answered was no answer: its documents are listed, but may not open.",
            ),
            Self::Paused => (
                "warning",
                "transient",
                "The source has failed again and again, and was not asked just now: its documents are \
             listed, but will not open.",
            ),
            Self::NotConnected => (
                "warning",
                "incomplete",
                "The source is not connected to this record: what it has is not listed.",
            ),
        }
    }
}

/// One source of a search: which, what became of it, how long it took, when it last answered as it
/// should, and its newest document.
pub fn source_issue(
    state: SourceState,
    name: &str,
    repository: &str,
    latency_ms: u64,
    last_good: Option<String>,
    latest: Option<String>,
) -> Issue {
    let (severity, code, words) = state.told();
    let mut extension =
        vec![json!({"url": "urn:carerecord:latency-ms", "valueInteger": latency_ms})];
    if let Some(last_good) = last_good {
        extension.push(json!({"url": "urn:carerecord:last-good", "valueDateTime": last_good}));
    }
    if let Some(latest) = latest {
        extension.push(json!({"url": "urn:carerecord:latest", "valueDateTime": latest}));
    }
    Issue(json!({
        "extension": extension,
        "severity": severity,
        "code": code,
        "details": {
            "coding": [{"system": SOURCE_STATE, "code": state.code()}],
            "text": name,
        },
        "diagnostics": words,
        "expression": [repository],
    }))
}

/// Whether a log of accesses was searched.
pub fn log_issue(state: SourceState, name: &str) -> Issue {
    let (severity, code, words) = match state {
        SourceState::Answered => ("information", "informational", "The log was searched."),
        SourceState::NotConnected => {
            ("warning", "incomplete", "The log cannot be searched from here: ask who keeps it.")
        }
        SourceState::Late
        | SourceState::Down
        | SourceState::Refused
        | SourceState::Garbage
        | SourceState::Paused => {
            ("warning", "transient", "The log could not be searched: records may be missing.")
        }
    };
    Issue(json!({
        "severity": severity,
        "code": code,
        "details": {"coding": [{"system": LOG_STATE, "code": state.code()}], "text": name},
        "diagnostics": words,
    }))
}

/// What registry errors are over HTTP: the status, and an issue for each error with its code.
/// Warnings do not make a failure. MHD 3.5. `words` are for the reader; the errors' context stays
/// behind: it can name what the reader may not know.
pub fn registry_failure(errors: &TransactionError, words: &str) -> (u16, Vec<Issue>) {
    let is_failure = |e: &&RegistryError| e.severity == Severity::Error && mapped(&e.code).0 >= 400;
    let codes: Vec<&ErrorCode> = errors.0.iter().filter(is_failure).map(|e| &e.code).collect();
    let Some(first) = codes.first() else {
        return (500, vec![Issue::error("exception", words)]);
    };
    (mapped(first).0, codes.iter().map(|code| registry_issue(code, words)).collect())
}

/// The same for whoever has sent a submission: with what the registry says, as it would say it over
/// XDS, and where in what was sent. `place` gives that as FHIRPath.
pub fn submission_failure<'a>(
    errors: &'a TransactionError,
    place: impl Fn(&'a RegistryError) -> Option<&'a str>,
) -> (u16, Vec<Issue>) {
    let is_failure = |e: &&RegistryError| e.severity == Severity::Error;
    let all: Vec<&RegistryError> = errors.0.iter().filter(is_failure).collect();
    let status = all.iter().map(|e| mapped(&e.code).0).find(|status| *status >= 400);
    (status.unwrap_or(500), all.iter().map(|e| sender_issue(e, "error", &place)).collect())
}

/// What the registry warns of, for whoever has sent the submission; `None` without warnings.
pub fn submission_warnings<'a>(
    warnings: &'a [RegistryError],
    place: impl Fn(&'a RegistryError) -> Option<&'a str>,
) -> Option<Value> {
    let issues: Vec<Issue> = warnings.iter().map(|e| sender_issue(e, "warning", &place)).collect();
    (!issues.is_empty()).then(|| outcome(issues))
}

fn sender_issue<'a>(
    error: &'a RegistryError,
    severity: &str,
    place: &impl Fn(&'a RegistryError) -> Option<&'a str>,
) -> Issue {
    let mut issue = json!({
        "severity": severity,
        "code": mapped(&error.code).1,
        "details": {
            "coding": [{"system": "urn:ihe:iti:xds:errorCode", "code": error.code.as_str()}],
            "text": error.context,
        },
    });
    if error.context.trim().is_empty() {
        issue["details"]["text"] = error.code.as_str().into();
    }
    if let Some(expression) = place(error) {
        issue["expression"] = json!([expression]);
    }
    Issue(issue)
}

/// A problem of what was sent.
pub fn problem_issue(problem: &Problem) -> Issue {
    Issue(json!({
        "severity": "error",
        "code": problem.kind,
        "details": {"text": problem.text},
        "expression": [problem.expression],
    }))
}

fn registry_issue(code: &ErrorCode, words: &str) -> Issue {
    let (_, kind) = mapped(code);
    Issue(json!({
        "severity": "error",
        "code": kind,
        "details": {
            "coding": [{"system": "urn:ihe:iti:xds:errorCode", "code": code.as_str()}],
            "text": words,
        },
    }))
}

/// The HTTP status and FHIR's kind of issue of a registry error; below 400 for one that only warns.
pub fn registry_error_over_http(code: &ErrorCode) -> (u16, &'static str) {
    mapped(code)
}

/// The one place where registry errors get their HTTP status and FHIR's kind of issue. MHD 3.5.
fn mapped(code: &ErrorCode) -> (u16, &'static str) {
    match code {
        ErrorCode::XDSDocumentUniqueIdError | ErrorCode::XDSUnknownRepositoryId => {
            (404, "not-found")
        }
        ErrorCode::XDSUnknownPatientId | ErrorCode::UnresolvedReferenceException => {
            (422, "not-found")
        }
        ErrorCode::XDSPatientIdDoesNotMatch
        | ErrorCode::XDSRegistryDeprecatedDocumentError
        | ErrorCode::XDSResultNotSinglePatient => (422, "business-rule"),
        ErrorCode::XDSRegistryMetadataError | ErrorCode::XDSRepositoryMetadataError => {
            (422, "invariant")
        }
        ErrorCode::XDSDuplicateUniqueIdInRegistry
        | ErrorCode::XDSRegistryDuplicateUniqueIdInMessage
        | ErrorCode::XDSRepositoryDuplicateUniqueIdInMessage => (409, "duplicate"),
        ErrorCode::XDSNonIdenticalHash
        | ErrorCode::XDSNonIdenticalSize
        | ErrorCode::XDSMetadataVersionError
        | ErrorCode::ReferencesExistException
        | ErrorCode::XDSUnreferencedObjectException => (409, "conflict"),
        ErrorCode::XDSMetadataUpdateError
        | ErrorCode::XDSMetadataUpdateOperationError
        | ErrorCode::XDSPatientIDReconciliationError
        | ErrorCode::XDSMetadataIdentifierError
        | ErrorCode::UnmodifiableMetadataError
        | ErrorCode::XDSMetadataAnnotationError
        | ErrorCode::XDSObjectTypeError
        | ErrorCode::XDSInvalidRequestException
        | ErrorCode::XDSRemoveDocumentsError => (422, "business-rule"),
        ErrorCode::LocalPolicyRestrictionError => (403, "forbidden"),
        ErrorCode::XDSMissingDocument
        | ErrorCode::XDSMissingDocumentMetadata
        | ErrorCode::XDSMissingHomeCommunityId
        | ErrorCode::XDSStoredQueryMissingParam => (400, "required"),
        ErrorCode::XDSStoredQueryParamNumber | ErrorCode::XDSUnknownStoredQuery => (400, "invalid"),
        ErrorCode::XDSRegistryBusy
        | ErrorCode::XDSRepositoryBusy
        | ErrorCode::XDSRegistryNotAvailable
        | ErrorCode::XDSRegistryOutOfResources
        | ErrorCode::XDSRepositoryOutOfResources => (503, "transient"),
        ErrorCode::XDSTooManyResults => (413, "too-costly"),
        ErrorCode::XDSUnknownCommunity => (404, "not-found"),
        ErrorCode::XDSExtraMetadataNotSaved => (200, "informational"),
        ErrorCode::XDSRegistryError | ErrorCode::XDSRepositoryError => (500, "exception"),
        ErrorCode::Foreign(code) => foreign(code),
    }
}

/// Codes that only other communities send, and those that nobody knows.
fn foreign(code: &str) -> (u16, &'static str) {
    match code {
        "XDSUnavailableCommunity" => (502, "transient"),
        "InvalidDocumentContent" => (422, "structure"),
        _ => (500, "exception"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_errors_have_the_status_that_mhd_says() {
        for (code, status, kind) in [
            ("XDSUnknownPatientId", 422, "not-found"),
            ("XDSPatientIdDoesNotMatch", 422, "business-rule"),
            ("XDSRegistryMetadataError", 422, "invariant"),
            ("InvalidDocumentContent", 422, "structure"),
            ("XDSDuplicateUniqueIdInRegistry", 409, "duplicate"),
            ("XDSNonIdenticalHash", 409, "conflict"),
            ("UnresolvedReferenceException", 422, "not-found"),
            ("XDSMissingDocument", 400, "required"),
            ("XDSRegistryBusy", 503, "transient"),
            ("XDSRegistryError", 500, "exception"),
            ("XDSRepositoryError", 500, "exception"),
            ("XDSTooManyResults", 413, "too-costly"),
            ("XDSUnknownCommunity", 404, "not-found"),
            ("XDSUnavailableCommunity", 502, "transient"),
            ("XDSMissingHomeCommunityId", 400, "required"),
            ("SomethingNew", 500, "exception"),
        ] {
            let (answered, issues) = registry_failure(&errors(&[code]), "It failed.");

            let [Issue(issue)] = issues.as_slice() else { panic!("{code}: {issues:?}") };
            assert_eq!((answered, &issue["code"]), (status, &json!(kind)), "{code}");
            assert_eq!(issue["details"]["coding"][0]["code"], code);
            assert!(!issue.to_string().contains("9990001006"), "the context is told");
        }
    }

    #[test]
    fn the_first_error_decides_and_a_warning_is_none() {
        let mut both = errors(&["XDSUnknownPatientId", "XDSRegistryBusy", "XDSNonIdenticalHash"]);
        both.0[0].severity = Severity::Warning;
        let warning = errors(&["XDSExtraMetadataNotSaved"]);

        let (status, issues) = registry_failure(&both, "");

        assert_eq!((status, issues.len()), (503, 2));
        assert_eq!(registry_failure(&warning, "").0, 500, "it failed, and does not say why");
    }

    fn errors(codes: &[&str]) -> TransactionError {
        let error = |code: &&str| RegistryError::error(ErrorCode::from_wire(code), "of 9990001006");
        TransactionError(codes.iter().map(error).collect())
    }
}

//! The operations that no CapabilityStatement tells of.

mod tokens;

use serde_json::{Value, json};

use super::openapi::{Paths, parameters, reference};

/// What is to be said of an operation of the FHIR API besides its name.
pub(super) struct Told {
    /// The resource.
    pub kind: &'static str,
    /// Without the `$`.
    pub name: &'static str,
    /// Where it is not a `POST` of the type.
    pub methods: &'static [(&'static str, &'static str)],
    /// The parameters of a `GET`.
    pub query: &'static [&'static str],
    pub summary: &'static str,
    /// The documentation of the CapabilityStatement unless given.
    pub words: &'static str,
}

pub(super) const OPERATIONS: &[Told] = &[
    Told {
        kind: "Patient",
        name: "ihe-pix",
        methods: &[("get", "/fhir/Patient/$ihe-pix"), ("post", "/fhir/Patient/$ihe-pix")],
        query: &["sourceIdentifier", "targetSystem", "_format"],
        summary: "The other identifiers of a person (PIXm ITI-83)",
        words: "Parameters: sourceIdentifier, targetSystem. Of a restricted person only the NHS Number.",
    },
    Told {
        kind: "Patient",
        name: "match",
        methods: &[],
        query: &[],
        summary: "Who somebody is, by what is known of them (PDQm ITI-119)",
        words: "",
    },
    Told {
        kind: "Patient",
        name: "break-glass",
        methods: &[],
        query: &[],
        summary: "Open a record that is closed, with a reason",
        words: "Parameters: patient, reason (emergency, public-interest, statute, court-order, other), \
                text, reference, hours. It is recorded, told of and reviewed.",
    },
    Told {
        kind: "Patient",
        name: "claim-relationship",
        methods: &[],
        query: &[],
        summary: "Say that one cares for a patient, with a reason",
        words: "Parameters: patient, reason, hours.",
    },
    Told {
        kind: "Patient",
        name: "citizen-access",
        methods: &[],
        query: &[],
        summary: "Record, change or list which citizens may see a record",
        words: "Parameters: patient; kind, delegate, basis, evidence, start, end; or id with end or status.",
    },
    Told {
        kind: "Patient",
        name: "may-see",
        methods: &[],
        query: &[],
        summary: "Whether somebody may see a record and its documents, and why",
        words: "Parameters: patient, document, purpose; of others organisation, role, assurance, at, \
                suppose, lifted, citizen, proofing.",
    },
    Told {
        kind: "Patient",
        name: "mine",
        methods: &[("get", "/fhir/Patient/$mine")],
        query: &[],
        summary: "Whose records a citizen may see",
        words: "",
    },
    Told {
        kind: "Patient",
        name: "access-pack",
        methods: &[
            ("get", "/fhir/Patient/$access-pack"),
            ("post", "/fhir/Patient/$access-pack"),
            ("get", "/fhir/Patient/$access-pack/{id}"),
            ("delete", "/fhir/Patient/$access-pack/{id}"),
            ("get", "/fhir/Patient/$access-pack/{id}/file"),
        ],
        query: &[],
        summary: "A subject access pack of one person",
        words: "Parameters: patient, reason, reference (of staff all three). 202 with Content-Location, \
                where its state is told: 202 with X-Progress, then 200 with the file that is to be \
                fetched; 410 when it was broken off or could not be made. Without an id the caller's own.",
    },
    Told {
        kind: "DocumentReference",
        name: "generate-metadata",
        methods: &[],
        query: &[],
        summary: "Publish a document that describes itself (MHD ITI-106)",
        words: "Parameters: document.",
    },
    Told {
        kind: "Contract",
        name: "sharing",
        methods: &[("get", "/fhir/Contract/$sharing")],
        query: &["date", "stops-before", "purpose"],
        summary: "Who shares what with whom, under which agreement",
        words: "For privacy officers and roles that run the programme. On date (today unless given) and for \
                purpose (direct-care unless given): each direction between two organisations, and what of it \
                stops before stops-before (the end of the next month unless given).",
    },
    Told {
        kind: "",
        name: "feeds",
        methods: &[("get", "/fhir/$feeds")],
        query: &["days"],
        summary: "What each source has sent, and how nodes do",
        words: "For roles that run the programme. Counted over the last days (31 unless given, 92 at most); \
                nothing in it is about a patient.",
    },
    Told {
        kind: "",
        name: "usage",
        methods: &[("get", "/fhir/$usage")],
        query: &["from", "to"],
        summary: "How the portal is used, by day, role and organisation",
        words: "For roles that run the programme. From one day to another, both included (UTC; 92 at most, and \
                the last 31 unless given): for each day, role and organisation records-opened, \
                documents-opened, launches, break-glass and refusals. Counts of 1 to 4 are told as \"fewer than 5\", \
                those of 0 are left out; nothing in it is about a patient. 422 when more was recorded than \
                is counted at once.",
    },
    Told {
        kind: "",
        name: "try-again",
        methods: &[("post", "/fhir/$try-again")],
        query: &[],
        summary: "Try submissions again that the registry has refused",
        words: "For roles that run the programme. Parameters: request, 1 to 50 times: the again of a refusal in \
                $feeds, the id of the request that brought the submission. Answers for each with its \
                outcome: registered, refused with the reason, gone (not kept any more, or sent again \
                since) or not-asked.",
    },
    Told {
        kind: "AuditEvent",
        name: "detect",
        methods: &[],
        query: &[],
        summary: "Go through the record of accesses by the detection rules, now",
        words: "For roles with the purpose audit. Parameters: since, until (the last 24 hours unless given; \
                31 days at most). It answers with numbers, and says which logs answered; findings are found \
                by AuditEvent?type=urn:carerecord:detection|. 404 where there are no rules, 409 while \
                another run goes on.",
    },
    Told {
        kind: "AuditEvent",
        name: "statistics",
        methods: &[("get", "/fhir/AuditEvent/$statistics")],
        query: &[],
        summary: "How many privacy alerts and findings there are, by state and reason or rule",
        words: "For roles with the purpose audit. Where there are detection rules: finding by state and \
                overdue, finding-rule by rule.",
    },
    Told {
        kind: "AuditEvent",
        name: "review",
        methods: &[("post", "/fhir/AuditEvent/{id}/$review")],
        query: &[],
        summary: "A step of the review of a privacy alert or of a finding",
        words: "Parameters: state (in-review, appropriate, not-appropriate, needs-hr), note. Nobody reviews \
                what they did themselves.",
    },
];

/// Operations that publish documents, by resource and name.
pub(super) const PUBLISHING: &[(&str, &str)] = &[("DocumentReference", "generate-metadata")];

/// Resources whose searches tell nothing of a patient, and are taken as URLs only.
pub(super) const ASKED_BY_URL_ONLY: &[&str] = &["Contract"];

/// Access tokens, doors, documentation and health.
pub(super) fn add(paths: &mut Paths) {
    tokens::add(paths);
    doors(paths);
    for (path, kind, words) in [
        ("/openapi.json", "application/json", "This description"),
        ("/docs", "text/html", "The documentation: leads to its first page"),
        ("/docs/{page}", "text/html", "A page of the documentation"),
    ] {
        let mut operation = json!({
            "summary": words, "security": [], "responses": {"200": content("It", kind, string())},
        });
        if path.contains('{') {
            operation["responses"]["404"] = json!({"description": "There is no such page"});
        }
        if path == "/docs" {
            operation["responses"] = json!({"307": {"description": "To /docs/index.html"}});
        }
        paths.add("get", path, "Documentation", operation);
    }
    for (path, kind, words) in [
        ("/health/live", "text/plain", "Whether the process runs"),
        ("/health/ready", "application/json", "Whether it can serve, and what is wrong"),
        ("/metrics", "text/plain", "Metrics for Prometheus"),
    ] {
        let mut operation = json!({
            "summary": words, "security": [], "servers": [server("admin", "http://127.0.0.1:8089")],
            "responses": {"200": content("It", kind, string())},
        });
        if path == "/health/ready" {
            let schema = reference("Readiness");
            operation["responses"]["200"] = content("Ready", kind, schema.clone());
            operation["responses"]["503"] = content("Not ready, or going down", kind, schema);
        }
        paths.add("get", path, "Health", operation);
    }
}

fn doors(paths: &mut Paths) {
    let registry = || json!([server("registry", "http://127.0.0.1:8081")]);
    let node = || json!([server("node", "http://127.0.0.1:8082")]);
    for (path, servers, words) in [
        ("/xds/registry", registry(), "ITI-18, 42, 51, 57, 61, 62, 92, told apart by SOAP action"),
        ("/xds/identity", registry(), "Patient identity feed (ITI-44)"),
        ("/xds/repository", node(), "ITI-41, 43, 86, told apart by SOAP action; MTOM/XOP or plain"),
    ] {
        let mut kinds = json!({SOAP: {"schema": string()}});
        if path == "/xds/repository" {
            kinds["multipart/related"] = json!({"schema": string()});
        }
        let answer = |words: &str| content(words, SOAP, string());
        let operation = json!({
            "summary": words,
            "description": "Failures of a transaction are registry errors in a 200 answer; see the \
                            pages of messages and errors.",
            "security": [{"certificate": []}],
            "servers": servers,
            "requestBody": {"required": true, "content": kinds},
            "responses": {
                "200": answer("The transaction's answer"),
                "400": answer("A SOAP fault: the sender's"),
                "500": answer("A SOAP fault: ours"),
                "503": answer("A SOAP fault: too much is asked for just now"),
            },
        });
        paths.add("post", path, XDS, operation);
    }
    let mut changes = json!({
        "summary": "What has changed in the registry, in order, for roles of this deployment",
        "description": "A reader keeps `next` and gives it back as `since`. The caller needs the right \
                        delegate.",
        "security": [{"certificate": []}],
        "servers": registry(),
        "responses": {
            "200": content("A page of changes", JSON, reference("ChangePage")),
            "400": {"description": "A parameter that is none"},
            "403": {"description": "The caller may not read the feed"},
        },
    });
    parameters(&mut changes).extend([
        query("since", "The place after which to begin; 0 is the beginning", 0, 0),
        query("limit", "At most so many, 10,000 at the most", 1000, 1),
        query("wait", "Seconds to wait for a change, 60 at the most", 0, 0),
    ]);
    paths.add("get", "/changes", XDS, changes);
    let submission = json!({
        "summary": "What became of a submission, for the system that sent it",
        "description": "By the uniqueId of its SubmissionSet.",
        "security": [{"certificate": []}],
        "servers": node(),
        "responses": {
            "200": content("Its state", JSON, reference("SubmissionState")),
            "403": content("The caller may not publish", JSON, reference("Problem")),
            "404": content("The caller has sent no such submission", JSON, reference("Problem")),
            "500": content("It cannot be told just now", JSON, reference("Problem")),
        },
    });
    paths.add("get", "/submissions/{id}", XDS, submission);
}

/// What is sent and answered besides FHIR.
pub(super) fn schemas() -> Value {
    let time = || json!({"type": "string", "format": "date-time"});
    let object = |fields: Value, required: Value| json!({"type": "object", "properties": fields, "required": required});
    let issue = json!({"severity": string(), "code": string(), "diagnostics": string(),
        "details": {"type": "object"}, "expression": {"type": "array", "items": string()}});
    json!({
        "Resource": object(json!({"resourceType": string()}), json!(["resourceType"])),
        "OperationOutcome": object(
            json!({
                "resourceType": {"const": "OperationOutcome"},
                "issue": {"type": "array", "items": object(issue, json!(["severity", "code"]))},
            }),
            json!(["resourceType", "issue"]),
        ),
        "OAuthError": object(
            json!({"error": string(), "error_description": string()}),
            json!(["error"]),
        ),
        "AccessToken": object(
            json!({"access_token": string(), "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer"}, "scope": string(), "issued_token_type": string()}),
            json!(["access_token", "token_type", "expires_in", "scope"]),
        ),
        "Introspection": object(json!({"active": {"type": "boolean"}}), json!(["active"])),
        "Problem": object(json!({"error": string()}), json!(["error"])),
        "SubmissionState": object(
            json!({
                "uniqueId": string(),
                "state": {"enum": ["stored", "kept", "registered", "refused"]},
                "receivedAt": time(),
                "changedAt": time(),
                "errors": {"type": "array", "items": object(
                    json!({"code": string(), "text": string(), "severity": string()}),
                    json!(["code", "text", "severity"]),
                )},
            }),
            json!(["uniqueId", "state", "receivedAt", "changedAt", "errors"]),
        ),
        "ChangePage": object(
            json!({"changes": {"type": "array", "items": {"type": "object"}},
                "next": {"type": "integer"}}),
            json!(["changes", "next"]),
        ),
        "Readiness": object(
            json!({
                "status": string(),
                "checks": {"type": "array", "items": object(
                    json!({"name": string(), "ok": {"type": "boolean"},
                        "problem": {"type": ["string", "null"]}}),
                    json!(["name", "ok"]),
                )},
            }),
            json!(["status", "checks"]),
        ),
    })
}

fn query(name: &str, words: &str, usual: u32, least: u32) -> Value {
    json!({"name": name, "in": "query", "description": words,
        "schema": {"type": "integer", "default": usual, "minimum": least}})
}

fn content(words: &str, kind: &str, schema: Value) -> Value {
    json!({"description": words, "content": {kind: {"schema": schema}}})
}

/// Somewhere that the portal does not know; the demo's unless told.
fn server(name: &str, demo: &str) -> Value {
    json!({"url": format!("{{{name}}}"), "variables": {name: {"default": demo}}})
}

fn string() -> Value {
    json!({"type": "string"})
}

const TOKENS: &str = "Access tokens";
const XDS: &str = "XDS";
const JSON: &str = "application/json";
const SOAP: &str = "application/soap+xml";

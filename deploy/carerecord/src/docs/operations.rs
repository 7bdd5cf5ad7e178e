//! The operations that no CapabilityStatement tells of.

use serde_json::{Value, json};

use super::openapi::{FORM, Paths, parameters, reference, refusal};

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
    tokens(paths);
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

fn tokens(paths: &mut Paths) {
    let assertion = json!({
        "client_assertion_type": {"const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
        "client_assertion": {"type": "string", "description":
            "A JWT that the client has signed: iss and sub the client, aud this address, exp within \
             five minutes, jti used once"},
    });
    let mut asked = assertion.clone();
    asked["grant_type"] = json!({"enum": ["client_credentials", "authorization_code"]});
    asked["scope"] = json!({"type": "string", "description": "system/*.rs and the like; all that the \
        client may have unless given"});
    for (name, words) in [
        ("code", "Of an app: what came with the browser, once and within a minute"),
        ("redirect_uri", "Of an app: where the browser came back to"),
        ("code_verifier", "Of an app: the verifier of its code_challenge (RFC 7636)"),
        ("client_id", "Of an app that is a public client, in the place of client_assertion"),
    ] {
        asked[name] = json!({"type": "string", "description": words});
    }
    asked["resource"] = json!({"type": "string", "description": "The FHIR API's address"});
    let form = |fields: Value, required: Value| {
        json!({"required": true, "content": {FORM: {
            "schema": {"type": "object", "properties": fields, "required": required}}}})
    };
    let need = json!(["grant_type"]);
    let operation = json!({
        "summary": "Get an access token (IUA ITI-71)",
        "description": "404 where the deployment gives no tokens itself. Systems send client_assertion. \
            Apps send the code that people bring from the authorization_endpoint, GET /oauth/authorize of \
            the web portal (SMART App Launch 2, standalone).",
        "security": [],
        "requestBody": form(asked, need),
        "responses": {
            "200": content("A token", JSON, reference("AccessToken")),
            "400": refusal("OAuth", "400"),
            "401": refusal("OAuth", "401"),
            "429": refusal("OAuth", "429"),
            "503": refusal("OAuth", "503"),
        },
    });
    paths.add("post", "/oauth/token", TOKENS, operation);
    paths.add("post", "/oauth/introspect", TOKENS, introspection(&form, assertion));
    paths.add("post", "/oauth/authorization", TOKENS, authorization(&form));
    sign_outs(paths, &form);
    for (path, words) in [
        ("/oauth/jwks", "The public keys of its tokens (RFC 7517)"),
        (
            "/.well-known/oauth-authorization-server",
            "Where tokens come from (IUA ITI-103, RFC 8414)",
        ),
        ("/fhir/.well-known/smart-configuration", "The same for SMART clients"),
    ] {
        let answer = content("It", JSON, json!({"type": "object"}));
        let operation = json!({
            "summary": words, "security": [],
            "responses": {"200": answer, "404": refusal("Fhir", "404")},
        });
        paths.add("get", path, TOKENS, operation);
    }
}

fn sign_outs(paths: &mut Paths, form: &impl Fn(Value, Value) -> Value) {
    let everywhere = json!({"everywhere": {"type": "boolean", "description":
        "Whether every sign-in of the person ends that has begun by now"}});
    let operation = json!({
        "summary": "End the sign-in that an access token is of",
        "description": "For every client that people sign in to, with the person's own access token of a \
            sign-in provider. With it end its access tokens, what apps were let do in it, and what was \
            opened by overrides.",
        "security": [{"token": []}],
        "requestBody": form(everywhere, json!([])),
        "responses": {
            "204": {"description": "It has ended"},
            "400": refusal("Fhir", "400"),
            "401": refusal("Fhir", "401"),
            "403": refusal("Fhir", "403"),
        },
    });
    paths.add("post", "/oauth/sign-out", TOKENS, operation);
    let token = json!({"logout_token": {"type": "string", "description":
        "Signed by the provider, for one of the clients that it knows here"}});
    for (path, of) in [
        ("/oauth/back-channel-logout", "the first sign-in provider"),
        ("/oauth/back-channel-logout/{id}", "the sign-in provider of that id"),
    ] {
        let wrong = json!({"type": "object", "properties": {
            "error": {"const": "invalid_request"}, "error_description": string()}});
        let operation = json!({
            "summary": format!("Take what {of} says to be over"),
            "description": "OpenID Connect Back-Channel Logout 1.0. A client that a provider tells of ended \
                sessions passes the logout token on to here.",
            "security": [],
            "requestBody": form(token.clone(), json!(["logout_token"])),
            "responses": {
                "200": {"description": "It has ended"},
                "400": content("It is no good logout token, or has come before", JSON, wrong),
                "503": {"description": "Nothing was changed: send it again"},
            },
        });
        paths.add("post", path, TOKENS, operation);
    }
}

fn introspection(form: &impl Fn(Value, Value) -> Value, mut asked: Value) -> Value {
    asked["token"] = string();
    json!({
        "summary": "Whether a token holds, and what it says (IUA ITI-102, RFC 7662)",
        "security": [{"token": []}, {}],
        "requestBody": form(asked, json!(["token"])),
        "responses": {
            "200": content("What it says, or that it does not hold", JSON, reference("Introspection")),
            "400": refusal("OAuth", "400"),
            "401": refusal("OAuth", "401"),
            "403": refusal("OAuth", "403"),
            "429": refusal("OAuth", "429"),
        },
    })
}

fn authorization(form: &impl Fn(Value, Value) -> Value) -> Value {
    let fields = json!({
        "request": {"type": "string", "description": "The query that the app has sent the browser with"},
        "decision": {"enum": ["allow", "deny"], "description": "What the person says; what the app asks \
            for is answered unless given"},
        "nhs_number": {"type": "string", "description": "The patient, where the app asks about one"},
    });
    let answer = json!({"type": "object", "properties": {
        "client_name": string(), "redirect_uri": string(), "scope": string(),
        "needs_patient": {"type": "boolean"},
        "redirect_to": {"type": "string", "description": "Where the browser goes, with a code"},
    }});
    json!({
        "summary": "A person says whether an app may read for them",
        "description": "For the page that asks people, with the person's own access token. An error that \
            the app is to be told of has redirect_to.",
        "security": [{"token": []}],
        "requestBody": form(fields, json!(["request"])),
        "responses": {
            "200": content("What to ask, or where to go", JSON, answer),
            "400": refusal("Authorize", "400"),
            "401": refusal("Fhir", "401"),
            "403": refusal("Fhir", "403"),
            "404": refusal("Fhir", "404"),
        },
    })
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

//! Tokens, and how sign-ins end.

use serde_json::{Value, json};

use super::{JSON, TOKENS, content, string};
use crate::docs::openapi::{FORM, Paths, reference, refusal};

pub(super) fn add(paths: &mut Paths) {
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

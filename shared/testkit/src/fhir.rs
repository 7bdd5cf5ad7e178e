use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;
use url::Url;

/// A general practitioner of A20047, who may record what patients say.
pub const GP: &str = "555021900100";
/// A community nurse of ZEX02.
pub const NURSE: &str = "555021900300";

/// A citizen, Ada Okafor, 999 000 1006.
pub const ADA: &str = "6f2b6f5e-0c0f-4000-8000-000000000001";
/// A citizen, Jo Quiet, 999 000 1103.
pub const JO: &str = "6f2b6f5e-0c0f-4000-8000-000000000002";
/// A citizen who has not shown well enough who he is, 999 000 1146.
pub const LEE: &str = "6f2b6f5e-0c0f-4000-8000-000000000003";

/// A caller of the FHIR API.
#[derive(Clone)]
pub struct Fhir {
    http: reqwest::Client,
    portal: String,
    issuer: String,
    token: String,
    request_id: Option<String>,
}

impl Fhir {
    /// A caller of the portal at an address, without a token yet; `issuer` is the sign-in provider.
    pub fn new(http: reqwest::ClientBuilder, portal: &str, issuer: &str) -> Self {
        let http = http.redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self {
            http,
            portal: portal.to_owned(),
            issuer: issuer.to_owned(),
            token: String::new(),
            request_id: None,
        }
    }

    /// With a token of the demo's program, which reads for ZEX09.
    pub async fn as_system(mut self) -> Self {
        let form = "grant_type=client_credentials&scope=system/*.read";
        let request = self.http.post(format!("{}/token", self.issuer));
        let request = request.basic_auth("demo-system", Some("demo-secret"));
        self.token = token(request, form.to_owned()).await;
        self
    }

    /// With a token of the demo's source system, which publishes and reads for ZEX01.
    pub async fn as_source(mut self) -> Self {
        let form = "grant_type=client_credentials";
        let request = self.http.post(format!("{}/token", self.issuer));
        let request = request.basic_auth("demo-source", Some("demo-source-secret"));
        self.token = token(request, form.to_owned()).await;
        self
    }

    /// Sends something below `/fhir`. Gives the status, the `Location`, and the answer.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, String, String) {
        let url = format!("{}/fhir{path}", self.portal);
        let request = self.http.post(url).bearer_auth(&self.token).body(body);
        let answer = request.header("content-type", content_type).send().await.unwrap();
        let status = answer.status().as_u16();
        let location = answer.headers().get("location");
        let location = location.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        (status, location, answer.text().await.unwrap())
    }

    /// With a token of one of the demo's people, by the same way as the web portal's.
    pub async fn as_person(mut self, account: &str) -> Self {
        let verifier = "black-box-tests-have-nothing-to-hide-0123456789";
        let redirect = format!("{}/sign-in/callback", self.portal);
        let mut ask = Url::parse(&format!("{}/authorize", self.issuer)).unwrap();
        ask.query_pairs_mut()
            .append_pair("client_id", "carerecord-web")
            .append_pair("redirect_uri", &redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", SCOPES)
            .append_pair("state", "state-of-a-test")
            .append_pair("nonce", "nonce-of-a-test")
            .append_pair("code_challenge", &challenge(verifier))
            .append_pair("code_challenge_method", "S256");
        let page = self.http.get(ask).send().await.unwrap().text().await.unwrap();
        let transaction = between(&page, "name=\"transaction\" value=\"", "\"");
        let choice = form(&[("transaction", transaction), ("account", account)]);
        let chosen = post(&self.http, &format!("{}/authorize", self.issuer), choice);
        let chosen = chosen.send().await.unwrap();
        let back = Url::parse(chosen.headers()["location"].to_str().unwrap()).unwrap();
        let (_, code) = back.query_pairs().find(|(name, _)| name == "code").unwrap();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", &redirect),
            ("client_id", "carerecord-web"),
            ("code_verifier", verifier),
        ];
        let request = self.http.post(format!("{}/token", self.issuer));
        self.token = token(request, form(&fields)).await;
        self
    }

    /// The same, whose reads and searches all have this id.
    pub fn traced(self, request_id: &str) -> Self {
        Self { request_id: Some(request_id.to_owned()), ..self }
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Reads below `/fhir`.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<(u16, Bytes), reqwest::Error> {
        let url = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}/fhir/{path}", self.portal),
        };
        let mut request = self.http.get(url).bearer_auth(&self.token);
        if let Some(id) = &self.request_id {
            request = request.header("x-request-id", id);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?))
    }

    /// A range of what an address gives.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get_range(&self, url: &str, range: &str) -> Result<(u16, Bytes), reqwest::Error> {
        let request = self.http.get(url).bearer_auth(&self.token).header("range", range);
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?))
    }

    /// Begins to read what an address gives; the bytes are still to come.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn begin(&self, url: &str) -> Result<reqwest::Response, reqwest::Error> {
        self.http.get(url).bearer_auth(&self.token).send().await
    }

    /// Reads a resource.
    pub async fn resource(&self, path: &str) -> (u16, Value) {
        let (status, bytes) = self.get(path).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Sends a resource, as new or, with an id, in its place.
    pub async fn put(&self, kind: &str, id: Option<&str>, resource: &Value) -> (u16, Value) {
        let base = format!("{}/fhir/{kind}", self.portal);
        let request = match id {
            Some(id) => self.http.put(format!("{base}/{id}")),
            None => self.http.post(base),
        };
        let request = request.bearer_auth(&self.token).json(resource);
        let answer = request.header("content-type", "application/fhir+json").send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Deletes what is below `/fhir`.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> u16 {
        let url = format!("{}/fhir/{path}", self.portal);
        let answer = self.http.delete(url).bearer_auth(&self.token).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Searches by form, for a patient; `more` is added as it is.
    pub async fn search(&self, kind: &str, patient: &str, more: &str) -> (u16, Value) {
        let patient = format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{patient}");
        self.search_form(kind, &format!("{patient}&{more}")).await
    }

    /// Searches inside the documents of a patient, once every node says that its index has all that
    /// it took; or after ten seconds, whatever they say.
    pub async fn search_inside(&self, patient: &str, more: &str) -> (u16, Value) {
        let begun = Instant::now();
        loop {
            let found = self.search("DocumentReference", patient, more).await;
            let behind = found.1.to_string().contains("\"code\":\"indexing\"");
            if !behind || begun.elapsed() > Duration::from_secs(10) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Searches by form.
    pub async fn search_form(&self, kind: &str, form: &str) -> (u16, Value) {
        let url = format!("{}/fhir/{kind}/_search", self.portal);
        let mut request = post(&self.http, &url, form.to_owned()).bearer_auth(&self.token);
        if let Some(id) = &self.request_id {
            request = request.header("x-request-id", id);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The current documents of a patient: the resources by uniqueId.
    pub async fn documents(&self, patient: &str) -> HashMap<String, Value> {
        let (status, bundle) = self.search("DocumentReference", patient, "status=current").await;
        assert_eq!(status, 200, "{bundle}");
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let documents = entries
            .into_iter()
            .map(|entry| entry["resource"].clone())
            .filter(|resource| resource["resourceType"] == "DocumentReference");
        documents.map(|d| (unique_id(&d["masterIdentifier"]), d)).collect()
    }
}

/// The XDS form of an identifier: an OID, `root^extension`, or whatever else it is.
fn unique_id(identifier: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (system, value) = (text(&identifier["system"]), text(&identifier["value"]));
    match system.strip_prefix("urn:oid:") {
        Some(root) => format!("{root}^{value}"),
        None => value.trim_start_matches("urn:oid:").trim_start_matches("urn:uuid:").to_owned(),
    }
}

/// What became of each source, by its repositoryUniqueId, out of the outcome of a search.
pub fn sources(bundle: &Value) -> HashMap<String, String> {
    issues(bundle)
        .filter(|issue| issue["details"]["coding"][0]["system"] == "urn:carerecord:source-state")
        .map(|issue| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&issue["expression"][0]), text(&issue["details"]["coding"][0]["code"]))
        })
        .collect()
}

fn issues(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let outcomes = entries
        .map(|entry| &entry["resource"])
        .filter(|resource| resource["resourceType"] == "OperationOutcome");
    outcomes.flat_map(|outcome| outcome["issue"].as_array().into_iter().flatten())
}

async fn token(request: reqwest::RequestBuilder, form: String) -> String {
    let request = request.header("content-type", FORM).body(form);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

fn challenge(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

pub(crate) fn post(http: &reqwest::Client, url: &str, form: String) -> reqwest::RequestBuilder {
    http.post(url).header("content-type", FORM).body(form)
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// What stands between two texts.
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

const FORM: &str = "application/x-www-form-urlencoded";
const SCOPES: &str = "openid profile nhsperson nationalrbacaccess associatedorgs selectedrole \
    user/*.read user/*.write";

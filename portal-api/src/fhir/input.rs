//! What clients send: searches, resources and preferences.

use std::collections::HashMap;

use aws_lc_rs::digest::SHA256;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use carerecord_fhir::{
    FhirDocuments, Format, NHS_NUMBER_SYSTEM, Values, from_xml, from_xml_with_unknown,
    nested_bundles, pairs,
};
use carerecord_model::NhsNumber;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::Session;
use super::answer::Wanted;
use crate::Portal;
use crate::error::FhirError;

/// The parameters of a search: of the URL; and, where it was sent as a form, of the form behind
/// them, so that whom it is about can stay out of URLs. FHIR R4, 3.1.1.
pub(crate) struct Asked(pub String);

impl FromRequest<Portal> for Asked {
    type Rejection = FhirError;

    async fn from_request(request: Request, _: &Portal) -> Result<Self, FhirError> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        if request.method() != Method::POST {
            return Ok(Self(query));
        }
        must_be_form(request.headers())?;
        let wanted = request.extensions().get::<Wanted>().cloned();
        let body = text(request).await?;
        let format = pairs(&body).into_iter().find(|(name, _)| name == "_format");
        if let (Some(wanted), Some((_, format))) = (wanted, format) {
            wanted.asks(&format)?;
        }
        Ok(Self(if query.is_empty() { body } else { format!("{query}&{body}") }))
    }
}

/// A resource that was sent, as JSON or XML. What is not known of it is there by its name in both: who
/// reads it may have to refuse it.
pub(crate) struct Sent(pub Value);

impl FromRequest<Portal> for Sent {
    type Rejection = FhirError;

    async fn from_request(request: Request, _: &Portal) -> Result<Self, FhirError> {
        let format = sent_format(request.headers())?;
        let body = text(request).await?;
        Ok(Self(match format {
            Format::Json => json(&body)?,
            Format::Xml => from_xml_with_unknown(body.as_bytes(), body.len()).map_err(not_xml)?,
        }))
    }
}

/// What is to be published, as JSON or XML.
pub(crate) struct Transaction {
    pub value: Value,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// Bundles inside, as they were written.
    pub documents: FhirDocuments,
    /// Held as long as the value is.
    _room: OwnedSemaphorePermit,
}

impl FromRequest<Portal> for Transaction {
    type Rejection = FhirError;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, FhirError> {
        let format = sent_format(request.headers())?;
        let most = portal.config.max_bundle_bytes;
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(most);
        if length > most {
            return Err(FhirError::TooLong);
        }
        let kib = u32::try_from(length / 1024 + 1).map_err(|_| FhirError::TooLong)?;
        let room = portal.room.clone().try_acquire_many_owned(kib);
        let room = room.map_err(|_| FhirError::NoRoom)?;
        let body = text(request).await?;
        let mut digest = [0; 32];
        digest.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, body.as_bytes()).as_ref());
        let value = match format {
            Format::Json => json(&body)?,
            Format::Xml => from_xml(body.as_bytes(), most).map_err(not_xml)?,
        };
        let list = if value["resourceType"] == "Parameters" { "parameter" } else { "entry" };
        let has_bundle = value[list]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["resource"]["resourceType"] == "Bundle"));
        let bytes = match has_bundle {
            true => nested_bundles(&body, format, list)
                .map_err(|e| FhirError::Body(format!("a FHIR document: {e}")))?,
            false => HashMap::new(),
        };
        Ok(Self { value, digest, documents: FhirDocuments { format, bytes }, _room: room })
    }
}

/// A client that does not name the type is taken to send JSON.
fn sent_format(headers: &HeaderMap) -> Result<Format, FhirError> {
    let format = match headers.get(header::CONTENT_TYPE) {
        None => Some(Format::Json),
        Some(kind) => kind.to_str().ok().and_then(Format::of_content_type),
    };
    format.ok_or(FhirError::MediaType(EITHER))
}

fn not_xml(error: impl std::fmt::Display) -> FhirError {
    FhirError::Body(format!("not FHIR XML: {error}"))
}

fn json(body: &str) -> Result<Value, FhirError> {
    serde_json::from_str(body).map_err(|e| {
        FhirError::Body(format!("not JSON at line {} column {}", e.line(), e.column()))
    })
}

/// A client that does not name the type is taken to send a form.
fn must_be_form(headers: &HeaderMap) -> Result<(), FhirError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    let known = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if known { Ok(()) } else { Err(FhirError::MediaType(FORM_ONLY)) }
}

async fn text(request: Request) -> Result<String, FhirError> {
    String::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            FhirError::TooLong
        } else {
            FhirError::Body("it is not text in UTF-8, or broke off".to_owned())
        }
    })
}

/// The names and values of a search. A reference to a Patient that a search gave to the same caller
/// stands for the number that it was given for; one to something here needs no address.
pub(crate) fn named(portal: &Portal, session: &Session, text: &str) -> Vec<(String, String)> {
    let base = format!("{}/", portal.config.base_url.trim_end_matches('/'));
    let relative = |reference: &str| reference.strip_prefix(&base).unwrap_or(reference).to_owned();
    let number = |reference: &str| {
        let relative = relative(reference);
        let id = relative.strip_prefix("Patient/").unwrap_or(&relative);
        portal.patient_ids.open(id, &session.caller)
    };
    let token = |number: NhsNumber| format!("{NHS_NUMBER_SYSTEM}|{}", number.digits());
    let read = |(name, value): (String, String)| match name.as_str() {
        "patient" | "patient:Patient" | "subject" | "subject:Patient" => match number(&value) {
            Some(number) => ("patient.identifier".to_owned(), token(number)),
            None => (name, value),
        },
        // A person is an entity, too.
        "entity" if relative(&value).starts_with("Patient/") => match number(&value) {
            Some(number) => (name, token(number)),
            None => (name, value),
        },
        "related" | "related:DocumentReference" | "entity" | "agent" | "organization" => {
            let all: Vec<String> = value.split(',').map(relative).collect();
            (name, all.join(","))
        }
        _ => (name, value),
    };
    pairs(text).into_iter().map(read).collect()
}

/// Whether a value is one of those that every repetition of a parameter asks for.
pub(crate) fn asks_for(asked: &Values<'_>, value: &str) -> bool {
    asked.iter().all(|any| any.contains(&value))
}

/// The id of a resource that has a UUID for one: another one is of nothing.
pub(crate) fn uuid(id: &str) -> Result<Uuid, FhirError> {
    Uuid::try_parse(id).map_err(|_| FhirError::NotFound)
}

/// Whether the client prefers `handling=strict`.
pub(crate) fn is_strict(headers: &HeaderMap) -> bool {
    preference(headers, "handling").is_some_and(|value| value.eq_ignore_ascii_case("strict"))
}

/// What the client prefers to have returned of what it creates: `minimal`, `representation` or
/// `OperationOutcome`.
pub(crate) fn prefers_return(headers: &HeaderMap) -> Option<&str> {
    preference(headers, "return")
}

/// RFC 7240: names are of any case, a value may be quoted, headers add up, and of a repeated
/// preference the first one holds.
fn preference<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let headers = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    headers.flat_map(|value| value.split(',')).find_map(|preference| {
        // Parameters of a preference come after a semicolon.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
    })
}

const FORM_ONLY: &str = "Send the search as application/x-www-form-urlencoded.";
const EITHER: &str = "Send the resource as application/fhir+json or application/fhir+xml.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_as_http_says() {
        for (headers, strict) in [
            (&[][..], false),
            (&["handling=strict"], true),
            (&["Handling = \"Strict\""], true),
            (&["return=minimal, handling=strict;x=1"], true),
            (&["return=minimal; handling=strict"], false),
            (&["return=minimal", "handling=strict"], true),
            (&["handling=lenient"], false),
            (&["handling=lenient, handling=strict"], false),
            (&["handling=strict", "handling=lenient"], true),
            (&["handling=strictly"], false),
            (&["handling"], false),
        ] {
            let mut map = HeaderMap::new();
            for value in headers {
                map.append("prefer", value.parse().unwrap());
            }
            assert_eq!(is_strict(&map), strict, "{headers:?}");
        }
    }
}

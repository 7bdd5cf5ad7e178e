//! Conditional reads: who has the same already gets it no second time. RFC 9110: 13; FHIR R4, HTTP,
//! 3.1.0.1.3. The decision comes before the condition, so that one cannot be asked for the other.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::answer;

/// What tells one state of something from another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validators {
    /// With its quotes, and `W/` before them where it is weak.
    pub tag: Option<String>,
    pub modified: Option<Timestamp>,
}

impl Validators {
    /// Of a resource as the caller sees it: a digest, since its status, its relations and what may
    /// be told of it change without a new version.
    pub(crate) fn of_resource(resource: &Value, modified: Option<Timestamp>) -> Self {
        let digest = digest(&SHA256, resource.to_string().as_bytes());
        let digest: String = digest.as_ref()[..20].iter().map(|b| format!("{b:02x}")).collect();
        Self { tag: Some(format!("W/\"{digest}\"")), modified }
    }

    /// Whether the client has this state. A tag goes before a time. RFC 9110: 13.2.2.
    pub(crate) fn are_known(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let Some(tag) = &self.tag else { return false };
            let all = headers.get_all(header::IF_NONE_MATCH).iter();
            let mut tags = all.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
            // Compared weakly.
            let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return tags.any(|other| other.trim() == "*" || bare(other) == bare(tag));
        }
        let since = headers.get(header::IF_MODIFIED_SINCE).and_then(|v| v.to_str().ok());
        let since = since.and_then(http_date);
        // A date of HTTP has no parts of a second.
        let modified = self.modified.map(Timestamp::as_second);
        since.zip(modified).is_some_and(|(since, modified)| modified <= since.as_second())
    }

    /// Whether a part of what the client has may be completed. RFC 9110: 13.1.5.
    pub(crate) fn permit_range(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::IF_RANGE) else { return true };
        let value = value.to_str().unwrap_or_default().trim();
        if value.starts_with('"') {
            return self.tag.as_deref() == Some(value);
        }
        let modified = self.modified.map(Timestamp::as_second);
        http_date(value).zip(modified).is_some_and(|(at, modified)| at.as_second() == modified)
    }

    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        if let Some(tag) = self.tag.as_deref().and_then(|tag| HeaderValue::try_from(tag).ok()) {
            headers.insert(header::ETAG, tag);
        }
        let modified = self.modified.and_then(|at| HeaderValue::try_from(http_text(at)).ok());
        if let Some(modified) = modified {
            headers.insert(header::LAST_MODIFIED, modified);
        }
    }

    /// The answer to who has it already.
    pub(crate) fn not_modified(&self) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        self.put(response.headers_mut());
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(header::CACHE_CONTROL, no_store);
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// A resource that is read, unless the client has it.
pub(crate) fn resource(
    headers: &HeaderMap,
    resource: Value,
    modified: Option<Timestamp>,
) -> Response {
    let validators = Validators::of_resource(&resource, modified);
    if validators.are_known(headers) {
        return validators.not_modified();
    }
    let mut response = answer::resource(StatusCode::OK, resource);
    validators.put(response.headers_mut());
    response
}

fn http_date(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(" GMT", " +0000");
    DateTimeParser::new().parse_timestamp(text.as_bytes()).ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_text(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(validators: &Validators, name: header::HeaderName, value: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        validators.are_known(&headers)
    }

    #[test]
    fn who_has_it_is_told_by_tag_or_time() {
        let v = Validators {
            tag: Some("W/\"3-ab\"".into()),
            modified: Some("1994-11-06T08:49:37.5Z".parse().unwrap()),
        };

        for yes in ["W/\"3-ab\"", "\"3-ab\"", "*", "\"x\", W/\"3-ab\""] {
            assert!(known(&v, header::IF_NONE_MATCH, yes), "{yes}");
        }
        for no in ["W/\"3\"", "3-ab", "", "\"\""] {
            assert!(!known(&v, header::IF_NONE_MATCH, no), "{no}");
        }
        for yes in ["Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 00:00:00 GMT"] {
            assert!(known(&v, header::IF_MODIFIED_SINCE, yes), "{yes}");
        }
        for no in ["Sun, 06 Nov 1994 08:49:36 GMT", "yesterday", ""] {
            assert!(!known(&v, header::IF_MODIFIED_SINCE, no), "{no}");
        }
        assert!(!known(&Validators::default(), header::IF_NONE_MATCH, "*"));
        assert!(!v.are_known(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        v.put(&mut headers);
        assert_eq!(headers["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}

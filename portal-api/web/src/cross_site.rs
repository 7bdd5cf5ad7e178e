//! Keeps other sites from sending forms in a person's name, and sets the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::portal::Portal;
use crate::problem::Problem;

/// Refuses what another site sent. Forms carry a token as well; this is the first of two walls.
pub(crate) async fn refuse_other_sites(
    State(portal): State<Arc<Portal>>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // A launch comes from another system's page; what it sends is signed, and no cookie comes with it.
    let launches = request.uri().path() == "/launch";
    if reads || launches || is_our_own(request.headers(), &portal) {
        return next.run(request).await;
    }
    Problem::Forged.into_response()
}

/// Browsers send `Origin: null` from pages with `Referrer-Policy: no-referrer`, also to their own
/// site, so `Sec-Fetch-Site` is asked first.
fn is_our_own(headers: &HeaderMap, portal: &Portal) -> bool {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let ours = portal.config.public_url.origin().ascii_serialization();
    let origin_is_ours = origin.is_none_or(|o| o == b"null" || o == ours.as_bytes());
    match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(site) => matches!(site, b"same-origin" | b"none") && origin_is_ours,
        None => origin_is_ours,
    }
}

/// Sets the headers that every answer has, unless the handler set its own.
pub(crate) async fn set_headers(
    State(portal): State<Arc<Portal>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, page_policy(&portal));
    }
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Forms may lead to the sign-in providers, since signing out goes on there.
fn page_policy(portal: &Portal) -> HeaderValue {
    let provider = portal.providers.origins();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; \
         script-src 'self'; frame-src 'self'; form-action 'self' {provider}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::Site;

/// The documentation of a portal: the same for everybody, so that nobody has to sign in.
pub fn router(base_url: &str) -> Router {
    Router::new()
        .route("/openapi.json", get(description))
        .route("/docs", get(first))
        .route("/docs/{*page}", get(page))
        .layer(axum::middleware::from_fn(carerecord_service::refuse))
        .with_state(Pages { base_url: base_url.into(), site: Arc::default() })
}

/// The site, made when it is asked for first.
#[derive(Clone)]
struct Pages {
    base_url: Arc<str>,
    site: Arc<OnceLock<Site>>,
}

impl Pages {
    fn file(&self, path: &str) -> Response {
        let site = self.site.get_or_init(|| Site::new(&self.base_url));
        let Some(file) = site.file(path) else { return StatusCode::NOT_FOUND.into_response() };
        let mut response = file.bytes.clone().into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

async fn description(State(pages): State<Pages>) -> Response {
    pages.file("openapi.json")
}

/// Links of pages are relative, so that the site can be served from anywhere: below a folder.
async fn first() -> Redirect {
    Redirect::temporary("/docs/index.html")
}

async fn page(State(pages): State<Pages>, Path(page): Path<String>) -> Response {
    pages.file(&page)
}

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "public, max-age=300"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

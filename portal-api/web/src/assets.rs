use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

/// Where the styles and scripts are: the path changes with their content, so that browsers may
/// keep them for good.
pub(crate) fn base() -> &'static str {
    &BASE
}

/// Gives a style, script or icon of this build.
pub(crate) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = FILES.iter().find(|file| file.name == name);
    let Some(file) = found.filter(|_| BASE.strip_prefix("/assets/") == Some(version.as_str()))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, file.bytes).into_response()
}

/// Name, type and bytes of every style, script and icon, for pages that are served elsewhere.
pub fn assets() -> impl Iterator<Item = (&'static str, &'static str, &'static [u8])> {
    FILES.iter().map(|file| (file.name, file.kind, file.bytes))
}

struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! built {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/assets/", $name))
    };
}

macro_rules! icon {
    ($name:literal) => {
        File { name: concat!("images/", $name), kind: "image/svg+xml", bytes: built!($name) }
    };
}

static FILES: [File; 8] = [
    File { name: "portal.css", kind: "text/css; charset=utf-8", bytes: built!("portal.css") },
    File {
        name: "nhsuk-frontend.min.js",
        kind: "text/javascript; charset=utf-8",
        bytes: built!("nhsuk-frontend.min.js"),
    },
    File {
        name: "portal.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/portal.js"),
    },
    File { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("../assets/icon.svg") },
    icon!("nhsuk-icon-arrow-down.svg"),
    icon!("nhsuk-icon-arrow-up-down.svg"),
    icon!("nhsuk-icon-arrow-up.svg"),
    icon!("nhsuk-icon-cross.svg"),
];

static BASE: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Context::new(&SHA256);
    for file in &FILES {
        hash.update(file.name.as_bytes());
        hash.update(file.bytes);
    }
    let digest = hash.finish();
    let version: String = digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("/assets/{version}")
});

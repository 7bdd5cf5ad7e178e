//! The routes of every router, read from the routers themselves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One method of one route.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Route {
    pub router: &'static str,
    pub method: String,
    pub path: String,
}

/// Every method of every route of the product.
pub fn routes() -> BTreeSet<Route> {
    let of = |(router, file): &(&'static str, &str)| {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let found = of_text(router, &text);
        assert!(!found.is_empty(), "{file} has no routes");
        found
    };
    ROUTERS.iter().flat_map(of).collect()
}

fn of_text(router: &'static str, text: &str) -> Vec<Route> {
    let product = product(text);
    let mut found = Vec::new();
    for call in product.split(".route(").skip(1) {
        let call = &call[..end_of_call(call)];
        let path = call.split('"').nth(1).expect("a route is a literal").to_owned();
        let methods = METHODS.iter().filter(|method| calls(call, method));
        let mut methods: Vec<Route> = methods
            .map(|method| Route { router, method: method.to_uppercase(), path: path.clone() })
            .collect();
        assert!(!methods.is_empty(), "{path} of {router} takes nothing that is known here");
        found.append(&mut methods);
    }
    found
}

/// What stands before the tests of a file.
pub fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

/// Where the parenthesis that is open at the start is closed.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            return at;
        }
    }
    panic!("a call does not end: {text}");
}

/// Whether a function of this name is called, such as `get(` and `.post(`.
fn calls(text: &str, name: &str) -> bool {
    text.match_indices(&format!("{name}(")).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

/// No other file of the product makes routes: what is enumerated here is all.
#[test]
fn every_router_is_known() {
    let known: Vec<PathBuf> = ROUTERS.iter().map(|(_, file)| root().join(file)).collect();
    let mut seen = 0;
    for folder in SOURCES {
        for file in carerecord_testkit::files(&root().join(folder)) {
            let is_test =
                file.components().any(|c| c.as_os_str().to_string_lossy().contains("tests"));
            if is_test || file.extension().is_none_or(|e| e != "rs") || known.contains(&file) {
                seen += usize::from(known.contains(&file));
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let product = product(&text);
            for call in [".route(", ".route_service(", ".nest(", ".nest_service("] {
                assert!(!product.contains(call), "{} makes routes: {call}", file.display());
            }
        }
    }
    assert_eq!(seen, ROUTERS.len(), "the routers are where they were");
}

pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

const METHODS: [&str; 8] = ["get", "post", "put", "delete", "patch", "head", "options", "any"];
const ROUTERS: [(&str, &str); 7] = [
    ("registry", "registry/src/router.rs"),
    ("node", "repository/src/router.rs"),
    ("fhir", "portal-api/src/router.rs"),
    ("web", "portal-api/web/src/router.rs"),
    ("admin", "shared/service/src/admin.rs"),
    ("docs", "deploy/carerecord/src/docs/router.rs"),
    ("sign-in", "deploy/carerecord/src/signin/mod.rs"),
];
const SOURCES: [&str; 6] = [
    "registry/src",
    "repository/src",
    "portal-api/src",
    "portal-api/web/src",
    "shared/service/src",
    "deploy/carerecord/src",
];

//! Nothing that can be asked is left out: routes, stored queries and parameters are read from the
//! product, and each must be asked by a test of ways past consent. The parameters of FHIR searches
//! are held against the CapabilityStatement where they are asked.

use std::collections::BTreeSet;

use super::queries::{asked_parameters, asked_queries};
use super::table::{ROUTES, ROWS, Row, Way};
use crate::routes::{product, root, routes};

#[test]
fn every_route_has_a_test_of_ways_past_consent() {
    let all: BTreeSet<(String, String)> = routes()
        .into_iter()
        .map(|r| (r.router.to_owned(), format!("{} {}", r.method, r.path)))
        .collect();
    let known: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|(router, route, _)| ((*router).to_owned(), (*route).to_owned()))
        .collect();

    assert_eq!(known.difference(&all).collect::<Vec<_>>(), [] as [&_; 0], "there is no such route");
    let untested: Vec<_> = all.difference(&known).collect();
    assert!(untested.is_empty(), "no test looks for a way past consent at {untested:?}");
    let tests = tests();
    for (router, route, way) in ROUTES {
        match way {
            Way::By(test) => assert!(tests.contains(*test), "{router} {route}: no test {test}"),
            Way::None(why) => assert!(why.len() > 5, "{router} {route}"),
        }
    }
}

#[test]
fn every_stored_query_and_every_parameter_is_asked() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let queries = literals(&read("shared/model/src/stored_query/mod.rs"), "urn:uuid:");
    let asked = asked_queries();
    assert!(queries.len() >= 17, "{queries:?}");
    for query in &queries {
        assert!(asked.contains(&query.as_str()), "no test looks past the stored query {query}");
    }

    let product = ["read", "parameters"]
        .map(|name| read(&format!("shared/codec/src/stored_query/{name}.rs")))
        .concat();
    let parameters = literals(&product, "$");
    let asked = asked_parameters();
    assert!(parameters.len() >= 30, "{parameters:?}");
    for name in &parameters {
        let is_it =
            |a: &&str| a == name || ["From", "To"].iter().any(|end| **a == format!("{name}{end}"));
        // A sentence about several parameters.
        let is_text = name.contains(' ');
        assert!(is_text || asked.iter().any(is_it), "no test looks past the parameter {name}");
    }
}

/// Prints what is not shown yet, with `--nocapture`.
#[test]
fn all_56_ways_are_tested_or_their_reason_stands() {
    let tests = tests();
    for (n, (number, what, row)) in ROWS.iter().enumerate() {
        assert_eq!(usize::from(*number), n + 1);
        let named = match row {
            Row::Tested(named) => *named,
            Row::Partly(named, left) => {
                println!("{number} {what}: partly: {left}");
                *named
            }
        };
        assert!(!named.is_empty(), "{number} {what}");
        for test in named {
            assert!(tests.contains(*test), "{number} {what}: there is no test {test}");
        }
    }
}

/// The texts in quotes that begin so.
fn literals(text: &str, start: &str) -> BTreeSet<String> {
    let product = product(text);
    let quoted = product.split('"').skip(1).step_by(2);
    quoted.filter(|t| t.starts_with(start) && t.len() > 2).map(str::to_owned).collect()
}

/// The names of all functions in the workspace's tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["deploy", "portal-api", "registry", "repository", "shared", "tests"] {
        for file in carerecord_testkit::files(&root().join(folder)) {
            if file.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let after = text.split("fn ").skip(1);
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            names.extend(after.map(|t| t.split(|c| !is_name(c)).next().unwrap_or("").to_owned()));
        }
    }
    names
}

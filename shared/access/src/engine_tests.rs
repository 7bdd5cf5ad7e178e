//! The policies and the code that the doors use, held against each other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::*;
use crate::engine_cases::Case;
use crate::{Example, Policy};

/// Thousands of invented questions, each about a document and about the record: the same answer and
/// the same rule, and no rule or policy that was not come to.
#[test]
fn invented_questions_are_decided_alike() {
    let engine = PolicyEngine::load().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (rules, policies) = (RefCell::new(BTreeMap::new()), RefCell::new(BTreeSet::new()));
    let questions = TestRunner::new_with_rng(config, rng).run(&vec(any::<u8>(), 600), |bytes| {
        let case = Case::throw(&bytes);
        let view = runtime.block_on(case.open());
        for entry in [Some(&case.entry), None] {
            let compared = engine.compare(&case.asked(), &view, entry);
            let ruling =
                compared.map_err(|what| TestCaseError::fail(format!("{what}: {case:?}")))?;
            *rules.borrow_mut().entry(ruling.rule).or_insert(0_usize) += 1;
            policies.borrow_mut().insert(ruling.policy);
        }
        Ok(())
    });
    questions.unwrap();

    println!("{rules:#?}");
    let (rules, policies) = (rules.into_inner(), policies.into_inner());
    // Who reads the record of accesses, and who sees how the programme runs, is not about a record.
    let elsewhere = [Rule::AuditDuty, Rule::ProgrammeDuty];
    for rule in Rule::ALL.iter().filter(|rule| !elsewhere.contains(rule)) {
        assert!(rules.contains_key(rule), "{rule:?} never decided");
    }
    for rule in [Rule::Agreement, Rule::BreakGlass] {
        assert!(rules[&rule] >= LATE, "{rule:?} decided {} times", rules[&rule]);
    }
    for (_, policy, _) in engine.order() {
        assert!(policies.contains(policy), "{policy} never decided");
    }
}

/// The same, of patients who set limits and exceptions: they decide most of it.
#[test]
fn limits_and_exceptions_are_decided_alike() {
    let engine = PolicyEngine::load().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let rules = RefCell::new(BTreeMap::new());
    let questions = TestRunner::new_with_rng(config, rng).run(&vec(any::<u8>(), 300), |bytes| {
        let case = Case::throw_statements(&bytes);
        let view = runtime.block_on(case.open());
        for entry in [Some(&case.entry), None] {
            let compared = engine.compare(&case.asked(), &view, entry);
            let ruling =
                compared.map_err(|what| TestCaseError::fail(format!("{what}: {case:?}")))?;
            *rules.borrow_mut().entry(ruling.rule).or_insert(0_usize) += 1;
        }
        Ok(())
    });
    questions.unwrap();

    println!("{rules:#?}");
    let rules = rules.into_inner();
    for rule in [
        Rule::ObjectionWholeRecord,
        Rule::ObjectionRecipient,
        Rule::ObjectionSource,
        Rule::ObjectionLabel,
        Rule::ObjectionPeriod,
        Rule::ObjectionRelated,
        Rule::ObjectionTerms,
        Rule::ConsentLimits,
        Rule::ConsentMissing,
        Rule::BreakGlass,
        Rule::Agreement,
        Rule::OwnRecord,
        Rule::RecordOpen,
    ] {
        assert!(rules.get(&rule).is_some_and(|n| *n >= LATE), "{rule:?} decided too seldom");
    }
}

/// The table of decisions, and the examples of the demo.
#[test]
fn examples_are_decided_alike() {
    let engine = PolicyEngine::load().unwrap();
    for folder in [TABLE, DEMO] {
        assert_eq!(differences(&engine, folder), Vec::<String>::new());
    }
}

/// A policy that is changed, and the code is not, is found out.
#[test]
fn a_difference_is_told() {
    for (from, to) in [
        ("(context.said.objectsToAll ||", "(context.said.objectsToAll && principal is System ||"),
        ("resource.label <= principal.role.maxLabel", "resource.label < principal.role.maxLabel"),
        ("@order(\"5.2\")", "@order(\"2.0\")"),
    ] {
        assert!(ORDER.contains(from), "{from}");
        let engine = PolicyEngine::parse(SCHEMA, COUNTS, &ORDER.replacen(from, to, 1)).unwrap();
        assert!(!differences(&engine, TABLE).is_empty(), "{to}");
    }
}

#[test]
fn policies_that_are_not_valid_are_refused() {
    for (from, to, why) in [
        ("context.said.objectsToAll", "context.said.objects", "objects"),
        (
            "context has said &&\n    (context.said.objectsToAll",
            "(context.said.objectsToAll",
            "said",
        ),
        ("principal.assurance < ", "principal.assurance == principal.id && 1 < ", "Long"),
        ("@id(\"role-unknown\")\n", "", "has no @id"),
        ("@id(\"role-unknown\")", "@id(\"withheld\")", "withheld"),
        ("@id(\"role-unknown\")", "@id(\"role-known\")", "tells no rule"),
        ("@order(\"1.3\")", "@order(\"1.2\")", "another policy has this @order"),
        ("@order(\"1.3\")", "@order(\"first\")", "not a place"),
        ("@id(\"role-unknown\")", "@id(\"r\") @rule(\"agreement\")", "says otherwise"),
    ] {
        let order = ORDER.replacen(from, to, 1);
        assert_ne!(order, ORDER, "{from}");
        let error = PolicyEngine::parse(SCHEMA, COUNTS, &order).unwrap_err().to_string();
        assert!(error.contains(why), "{to}: {error}");
    }
}

/// The order is the order of the file, and no rule goes before one that stands before it.
#[test]
fn the_file_is_in_the_order() {
    let engine = PolicyEngine::load().unwrap();
    let mut from = 0;
    for (_, policy, _) in engine.order() {
        let at = ORDER.find(&format!("@id(\"{policy}\")")).unwrap();
        assert!(at >= from, "{policy} stands too early");
        from = at;
    }
}

fn differences(engine: &PolicyEngine, folder: &str) -> Vec<String> {
    let folder = Path::new(folder);
    let policy = Arc::new(Policy::load(folder).unwrap());
    let examples = Example::load(folder).unwrap();
    assert!(!examples.is_empty());
    examples
        .iter()
        .flat_map(|(_, examples)| examples)
        .filter_map(|example| example.compare(&policy, engine).err())
        .collect()
}

const CASES: u32 = 2_000;
/// How often at least rules decide that are come to last.
const LATE: usize = 10;
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions");
const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/carerecord/config/policy");

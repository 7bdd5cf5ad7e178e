//! `docs/rules.md` names a test for each rule, and each test is there.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_rule_has_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let tests: String = ["registry/tests/contract", "shared/codec/tests"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .filter_map(|file| std::fs::read_to_string(file.unwrap().path()).ok())
        .collect();

    let mut rules = BTreeSet::new();
    for line in table.lines().filter(|l| l.starts_with("| ") && l.contains('`')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        rules.insert(cells[1].to_owned());
        for name in cells[2].split(", ").map(|n| n.trim_matches('`')) {
            assert!(tests.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
    let wanted = (1..=11).map(|n| format!("S{n}")).chain((1..=19).map(|n| format!("V{n}")));
    let missing: Vec<String> = wanted.filter(|rule| !rules.contains(rule)).collect();
    assert!(missing.is_empty(), "no test is named for {missing:?}");
}

use super::*;
use carerecord_model::LocalizedString;

fn policy(rules: &str) -> Policy {
    let access = "[organisation.ZEX01]\nname = \"Royal Example Hospital\"\n[node]\n\
                  \"2.999.30.1\" = \"ZEX01\"";
    Policy::parse(access, "", &[]).unwrap().with_sensitivity(rules).unwrap()
}

fn ids(policy: &Policy, change: fn(&mut DocumentEntry)) -> Vec<&str> {
    let mut entry = crate::decide::tests::letter();
    change(&mut entry);
    policy.sensitivity_of(&entry).into_iter().map(|rule| rule.id.as_str()).collect()
}

fn titled(title: &str) -> Vec<LocalizedString> {
    vec![LocalizedString::new(title)]
}

#[test]
fn a_document_meets_a_rule_by_any_of_its_conditions() {
    let policy = policy(RULES);
    assert!(ids(&policy, |_| {}).is_empty());
    for change in [
        (|e| e.practice_setting_code = Code::new("788122004", "any", "")) as fn(&mut DocumentEntry),
        |e| e.type_code = Code::new("1", "any", ""),
        |e| e.class_code = Code::new("2", "any", ""),
        |e| e.healthcare_facility_type_code = Code::new("3", "any", ""),
        |e| e.event_codes = vec![Code::new("9", "any", ""), Code::new("4", "any", "")],
        |e| e.title = titled("Letter: Sexual-Health CLINIC, visit 2"),
        |e| e.title = vec![LocalizedString::new("Letter"), LocalizedString::new("gum")],
    ] {
        assert_eq!(ids(&policy, change), ["S-1"]);
    }
    // A code counts only where it stands; words only in a row and whole.
    for change in [
        (|e| e.type_code = Code::new("788122004", "any", "")) as fn(&mut DocumentEntry),
        |e| e.title = titled("Sexual and mental health clinic"),
        |e| e.title = titled("Gums and teeth"),
        |e| e.title = titled("Sexual health"),
    ] {
        assert!(ids(&policy, change).is_empty());
    }
    let by_source = self::policy("[[rule]]\nid = \"S\"\nany_source = [\"ZEX01\"]\nset = \"R\"");
    assert_eq!(ids(&by_source, |_| {}), ["S"], "who keeps it");
    assert!(ids(&by_source, |e| e.repository_unique_id = None).is_empty());
    let wrote = |e: &mut DocumentEntry| {
        e.repository_unique_id = None;
        let institution = "Hospital^^^^^&2.16.840.1.113883.2.1.4.3&ISO^^^^ZEX01".parse().unwrap();
        e.authors = vec![carerecord_model::Author {
            institutions: vec![institution],
            ..carerecord_model::Author::default()
        }];
    };
    assert_eq!(ids(&by_source, wrote), ["S"], "who wrote it");
}

#[test]
fn labels_only_rise_and_tags_are_added() {
    let policy = policy(RULES);
    let shown = |stored: &[(&str, &str)]| {
        let mut entry = crate::decide::tests::letter();
        entry.confidentiality_codes =
            stored.iter().map(|(code, scheme)| Code::new(*code, *scheme, "")).collect();
        entry.title = titled("GUM");
        let handling = policy.handling(&entry);
        let mut entry = Arc::new(entry);
        policy.relabel(&mut entry, &handling);
        let codes = entry.confidentiality_codes.iter();
        let shown: Vec<_> = codes.map(|c| (c.code.clone(), c.scheme.clone())).collect();
        (handling.label.map(Label::code), shown)
    };
    let pair = |code: &str, scheme: &str| (code.to_owned(), scheme.to_owned());
    let tag = || pair("SEXHLTH", TAG_SCHEME);
    let uri = LADDER_SCHEMES[2];

    assert_eq!(shown(&[]), (Some("R"), vec![pair("R", LADDER_SCHEMES[0]), tag()]));
    assert_eq!(shown(&[("N", uri)]), (Some("R"), vec![pair("R", uri), tag()]));
    assert_eq!(shown(&[("V", uri)]), (Some("V"), vec![pair("V", uri), tag()]), "never down");
    let other = [("N", uri), ("SEXHLTH", "urn:theirs")];
    assert_eq!(shown(&other), (Some("R"), vec![pair("R", uri), pair("SEXHLTH", "urn:theirs")]));
    assert_eq!(shown(&[("X", uri)]).0, None, "what is not on the ladder stays above it");
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    for (text, what) in [
        ("[[rule]]\nid = \"S\"\nany_type = [\"1\"]", "does nothing"),
        ("[[rule]]\nid = \"S\"\nset = \"R\"", "no condition"),
        ("[[rule]]\nid = \"S\"\nany_type = [\"1\"]\nset = \"Q\"", "not one of"),
        ("[[rule]]\nid = \"S\"\nany_title = [\"--\"]\nset = \"R\"", "without words"),
        ("[[rule]]\nid = \"S\"\nany_typ = [\"1\"]\nset = \"R\"", "any_typ"),
        (
            "[[rule]]\nid = \"S\"\nany_type = [\"1\"]\nset = \"R\"\n\
             [[rule]]\nid = \"S\"\nany_type = [\"2\"]\nset = \"R\"",
            "twice",
        ),
    ] {
        let error = SensitivityRules::parse(text).unwrap_err().to_string();
        assert!(error.contains("sensitivity.toml") && error.contains(what), "{error}");
    }
}

const RULES: &str = r#"
[[rule]]
id = "S-1"
any_practice_setting = ["788122004"]
any_type = ["1"]
any_class = ["2"]
any_facility = ["3"]
any_event = ["4"]
any_title = ["gum", "sexual health clinic"]
set = "R"
tags = ["SEXHLTH"]
"#;

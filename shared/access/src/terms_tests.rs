use super::*;
use crate::{Contact, ContactKind};

#[test]
fn of_several_exceptions_the_one_with_most_limits_counts_and_of_equals_the_no() {
    let tag = |tag: &str| vec![Grain::Tag(tag.to_owned())];
    let yes = Term { permits: true, labels: tag("A"), ..Term::default() };
    let no = Term { labels: tag("B"), ..Term::default() };
    let narrow_yes = Term { recipients: vec!["ZEX02".parse().unwrap()], ..yes.clone() };
    let narrow_no = Term { authored: Some(always()), ..no.clone() };
    for (exceptions, says) in [
        (vec![yes.clone()], Says::Yes),
        (vec![yes.clone(), no.clone()], refused(Rule::ObjectionLabel)),
        (vec![no.clone(), yes.clone()], refused(Rule::ObjectionLabel)),
        (vec![no.clone(), narrow_yes.clone()], Says::Yes),
        (vec![narrow_no.clone(), narrow_yes], refused(Rule::ObjectionTerms)),
        (vec![narrow_no, yes], refused(Rule::ObjectionTerms)),
    ] {
        let terms = Terms { root: Term { permits: true, ..Term::default() }, exceptions };

        assert_eq!(terms.settle(true, false, |_| true), says, "{terms:?}");
    }
}

#[test]
fn an_exception_for_overrides_goes_before_every_no_once_somebody_has_overridden() {
    let for_overrides =
        |permits| Term { permits, purposes: vec![TermPurpose::BreakGlass], ..Term::default() };
    let no = Term {
        authored: Some(always()),
        labels: vec![Grain::Tag("A".to_owned())],
        ..Term::default()
    };
    let settled = |exceptions: &[&Term], overridden| {
        let exceptions = exceptions.iter().map(|term| (*term).clone()).collect();
        let terms = Terms { root: Term { permits: true, ..Term::default() }, exceptions };
        terms.settle(true, overridden, |part| {
            let Part::Exception(n) = part else { return true };
            overridden || !terms.exceptions[n].is_for_overrides()
        })
    };

    assert_eq!(settled(&[&no, &for_overrides(true)], false), refused(Rule::ObjectionTerms));
    assert_eq!(settled(&[&no, &for_overrides(true)], true), Says::Yes);
    assert_eq!(settled(&[&for_overrides(false), &for_overrides(true)], true), Says::Yes);
    let firm = Says::No { rule: Rule::ObjectionWholeRecord, firm: true };
    assert_eq!(settled(&[&for_overrides(false)], true), firm);
    assert_eq!(settled(&[&for_overrides(false)], false), Says::Yes);
}

#[test]
fn of_a_record_a_yes_to_some_of_it_leaves_it_open() {
    let yes = Term { permits: true, authored: Some(always()), ..Term::default() };
    let no = Terms { root: Term::default(), exceptions: Vec::new() };
    let some = Terms { root: Term::default(), exceptions: vec![yes, Term::default()] };

    assert_eq!(no.settle(false, false, |_| true), refused(Rule::ObjectionWholeRecord));
    assert_eq!(some.settle(false, false, |_| true), Says::Yes);
    assert_eq!(some.settle(true, false, |_| true), Says::Yes, "it has more limits");
}

#[test]
fn the_rule_is_that_of_what_is_objected_to() {
    let contact = Contact { kind: ContactKind::CarePlan, id: "1".into(), scheme: None };
    let related = vec![Grain::Related(contact)];
    let label = vec![Grain::Label("R".into()), Grain::Tag("PSY".into())];
    let cases = [
        (Term::default(), Rule::ObjectionWholeRecord),
        (
            Term { recipients: vec!["ZEX02".parse().unwrap()], ..Term::default() },
            Rule::ObjectionRecipient,
        ),
        (Term { authored: Some(always()), ..Term::default() }, Rule::ObjectionPeriod),
        (Term { data: related.clone(), ..Term::default() }, Rule::ObjectionRelated),
        (Term { labels: label.clone(), ..Term::default() }, Rule::ObjectionLabel),
        (Term { labels: label, data: related, ..Term::default() }, Rule::ObjectionTerms),
    ];
    for (term, rule) in cases {
        assert_eq!(term.rule(), rule, "{term:?}");
    }
}

/// What versions before this one have stored, and what this one stores.
#[test]
fn statements_are_stored_as_they_are() {
    let term = Term { permits: true, authored: Some(always()), ..Term::default() };
    let terms = Terms { root: term, exceptions: vec![Term::default()] };
    let terms = Provision::Terms(Box::new(terms));
    let stored = serde_json::to_string(&terms).unwrap();

    assert_eq!(
        stored,
        r#"{"terms":{"root":{"permits":true,"authored":{"from":null,"until":null}},"exceptions":[{"permits":false}]}}"#
    );
    assert_eq!(serde_json::from_str::<Provision>(&stored).unwrap(), terms);
    let before = r#"{"objection":{"class":{"code":"1","scheme":null}}}"#;
    assert!(serde_json::from_str::<Provision>(before).is_ok());
}

fn always() -> Span {
    Span { from: None, until: None }
}

fn refused(rule: Rule) -> Says {
    Says::No { rule, firm: false }
}

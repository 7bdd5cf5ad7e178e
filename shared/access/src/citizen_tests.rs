use carerecord_model::Code;

use super::*;
use crate::decide::tests::letter;

/// A child's proxy ends on the birthday that the rules name, a new one on the next; in between the
/// person sees the record where that was granted, and from 16 on in their own right.
#[test]
fn ages_and_proxies_by_a_clock_that_moves() {
    let parent = proxy(PARENT, ProxyBasis::Parental, "2020-05-01T09:00:00Z");
    let renewed = proxy(PARENT, ProxyBasis::Parental, "2026-03-02T09:00:00Z");
    let own = grant(CitizenGrantKind::Own, "2026-06-01T09:00:00Z");
    let attorney = proxy(PARENT, ProxyBasis::PowerOfAttorney, "2032-01-01T09:00:00Z");
    let all = [parent.clone(), renewed, own, attorney];
    // Born on 1 March 2015: 11 in 2026, 16 in 2031.
    let cases: [(&str, &str, &[CitizenGrant], Rule); 17] = [
        (PARENT, "2020-05-01T08:59:59Z", &all[..1], Rule::NoProxy),
        (PARENT, "2020-05-01T09:00:00Z", &all[..1], Rule::CitizenProxy),
        (PARENT, "2026-02-28T23:59:59Z", &all[..1], Rule::CitizenProxy),
        (PARENT, "2026-03-01T00:00:00Z", &all[..1], Rule::NoProxy),
        (PARENT, "2026-03-01T12:00:00Z", &all, Rule::NoProxy),
        (PARENT, "2026-03-02T09:00:00Z", &all, Rule::CitizenProxy),
        (PARENT, "2031-02-28T23:59:59Z", &all, Rule::CitizenProxy),
        (PARENT, "2031-03-01T00:00:00Z", &all, Rule::NoProxy),
        (PARENT, "2032-01-01T09:00:00Z", &all, Rule::CitizenProxy),
        (CHILD, "2025-01-01T00:00:00Z", &all, Rule::CitizenAge),
        (CHILD, "2026-05-31T00:00:00Z", &all, Rule::CitizenAge),
        (CHILD, "2026-06-01T09:00:00Z", &all, Rule::CitizenOwn),
        (CHILD, "2031-02-28T23:59:59Z", &[], Rule::CitizenAge),
        (CHILD, "2031-03-01T00:00:00Z", &[], Rule::CitizenOwn),
        (STRANGER, "2020-06-01T00:00:00Z", &all, Rule::NoProxy),
        (STRANGER, "2031-03-01T00:00:00Z", &all, Rule::NoProxy),
        (PARENT, "2014-01-01T00:00:00Z", &all, Rule::CitizenAge),
    ];
    for (citizen, at, grants, expected) in cases {
        let decision = decide(citizen, Some("2015-03-01"), grants, at, Proofing::P9);
        assert_eq!(decision.rule, expected, "{citizen} at {at}");
        assert_eq!(decision.is_permit(), matches!(expected, Rule::CitizenOwn | Rule::CitizenProxy));
    }
    let decision = decide(PARENT, Some("2015-03-01"), &all, "2021-01-01T00:00:00Z", Proofing::P9);
    let named = format!("grant parental {} since 2020-05-01, set by A20047", parent.id);
    assert_eq!(decision.basis, [named]);
}

#[test]
fn who_was_born_on_29_february_is_older_on_1_march() {
    let proxy = [proxy(PARENT, ProxyBasis::Parental, "2020-05-01T09:00:00Z")];
    for (at, expected) in
        [("2023-02-28T23:59:59Z", Rule::CitizenProxy), ("2023-03-01T00:00:00Z", Rule::NoProxy)]
    {
        let decision = decide(PARENT, Some("2012-02-29"), &proxy, at, Proofing::P9);
        assert_eq!(decision.rule, expected, "{at}");
    }
}

/// In the summer a day begins an hour before it does in Greenwich.
#[test]
fn birthdays_are_by_the_clocks_of_the_country() {
    let proxy = [proxy(PARENT, ProxyBasis::Parental, "2020-05-01T09:00:00Z")];
    for (at, expected) in
        [("2026-06-30T22:59:59Z", Rule::CitizenProxy), ("2026-06-30T23:00:00Z", Rule::NoProxy)]
    {
        let decision = decide(PARENT, Some("2015-07-01"), &proxy, at, Proofing::P9);
        assert_eq!(decision.rule, expected, "{at}");
    }
}

#[test]
fn what_is_not_known_or_not_proved_opens_nothing() {
    let now = "2026-11-25T12:00:00Z";
    let grants = [proxy(PARENT, ProxyBasis::Consent, "2026-01-01T09:00:00Z")];
    let rule = |citizen, born, grants: &[CitizenGrant], proofing| {
        decide(citizen, born, grants, now, proofing).rule
    };
    let adult = Some("1945-07-14");
    assert_eq!(rule(PARENT, adult, &grants, Proofing::P9), Rule::CitizenProxy);
    assert_eq!(rule(PARENT, None, &grants, Proofing::P9), Rule::CitizenAge);
    assert_eq!(rule(CHILD, None, &[], Proofing::P9), Rule::CitizenAge);
    assert_eq!(rule(PARENT, adult, &grants, Proofing::P5), Rule::CitizenProofing);
    assert_eq!(rule(CHILD, adult, &[], Proofing::P0), Rule::CitizenProofing);
    let mut wrong = grants.clone();
    wrong[0].status = RelationshipStatus::EnteredInError;
    assert_eq!(rule(PARENT, adult, &wrong, Proofing::P9), Rule::NoProxy);
    let mut ended = grants.clone();
    ended[0].until = Some("2026-11-25T11:59:59Z".parse().unwrap());
    assert_eq!(rule(PARENT, adult, &ended, Proofing::P9), Rule::NoProxy);
    let mut other = grants.clone();
    other[0].patient = STRANGER.parse().unwrap();
    assert_eq!(rule(PARENT, adult, &other, Proofing::P9), Rule::NoProxy);
    let parental = [proxy(PARENT, ProxyBasis::Parental, "2026-01-01T09:00:00Z")];
    assert_eq!(rule(PARENT, adult, &parental, Proofing::P9), Rule::NoProxy, "of an adult");
    let barred = [grants[0].clone(), grant(CitizenGrantKind::Barred, "2026-11-01T00:00:00Z")];
    for citizen in [CHILD, PARENT] {
        assert_eq!(rule(citizen, adult, &barred, Proofing::P9), Rule::CitizenBarred);
    }
    let without = Policy::parse("", "", &[]).unwrap();
    let denied = question(&without, &[]).record().unwrap_err();
    assert_eq!(denied.rule, Rule::PurposeNotAllowed);
}

#[test]
fn labels_and_tags_are_kept_from_citizens() {
    let policy = policy();
    let tagged = |label: &str, tag: Option<&str>| {
        let label = Code::new(label, "2.16.840.1.113883.5.25", "");
        let tag = tag.map(|tag| Code::new(tag, "urn:carerecord:handling-tag", ""));
        let confidentiality_codes = std::iter::once(label).chain(tag).collect();
        DocumentEntry { confidentiality_codes, ..letter() }
    };
    for (entry, expected) in [
        (tagged("N", None), None),
        (tagged("N", Some("OTHER")), None),
        (tagged("R", None), Some(Rule::Label)),
        (tagged("X", None), Some(Rule::Label)),
        (tagged("N", Some("SAFEG-CHILD")), Some(Rule::Label)),
    ] {
        let question = question(&policy, &[]);
        let decision = question.document(&entry, &policy.handling(&entry));
        assert_eq!(decision.err().map(|deny| deny.rule), expected, "{entry:?}");
    }
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    for (from, to, why) in [
        ("max_label = \"N\"", "max_label = \"Q\"", "max_label"),
        ("from_age = 0", "from_age = 1", "first band"),
        ("from_age = 16", "from_age = 11", "go up"),
        ("[11, 16]", "[0]", "birthdays"),
        ("\"parental\"", "\"friend\"", "friend"),
        ("own = \"no\"", "own = \"maybe\"", "maybe"),
    ] {
        let error = CitizenRules::parse(&RULES.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("citizens.toml"), "{to}: {error}");
    }
}

fn decide(
    citizen: &str,
    born: Option<&str>,
    grants: &[CitizenGrant],
    at: &str,
    proofing: Proofing,
) -> Decision {
    let policy = policy();
    let citizen = Citizen { number: citizen.parse().unwrap(), proofing };
    let question = CitizenQuestion {
        policy: &policy,
        citizen: &citizen,
        patient: CHILD.parse().unwrap(),
        born: born.map(|born| born.parse().unwrap()),
        grants,
        now: at.parse().unwrap(),
    };
    question.record().unwrap_or_else(|deny| deny)
}

/// Of an adult about themselves.
fn question<'a>(policy: &'a Policy, grants: &'a [CitizenGrant]) -> CitizenQuestion<'a> {
    static ADULT: std::sync::LazyLock<Citizen> = std::sync::LazyLock::new(|| Citizen {
        number: CHILD.parse().unwrap(),
        proofing: Proofing::P9,
    });
    CitizenQuestion {
        policy,
        citizen: &ADULT,
        patient: CHILD.parse().unwrap(),
        born: Some("1945-07-14".parse().unwrap()),
        grants,
        now: "2026-11-25T12:00:00Z".parse().unwrap(),
    }
}

pub(crate) fn policy() -> Policy {
    Policy::parse("", "", &[]).unwrap().with_citizens(RULES).unwrap()
}

pub(crate) fn proxy(delegate: &str, basis: ProxyBasis, since: &str) -> CitizenGrant {
    let delegate = delegate.parse().unwrap();
    grant(CitizenGrantKind::Proxy { delegate, basis }, since)
}

pub(crate) fn grant(kind: CitizenGrantKind, since: &str) -> CitizenGrant {
    let since: Timestamp = since.parse().unwrap();
    CitizenGrant {
        id: Uuid::from_u128(u128::try_from(since.as_second()).unwrap()),
        version: 1,
        patient: CHILD.parse().unwrap(),
        kind,
        status: RelationshipStatus::Active,
        since,
        until: None,
        organisation: "A20047".parse().unwrap(),
        evidence: None,
        recorded_at: since,
        recorded_by: "test".to_owned(),
    }
}

pub(crate) const CHILD: &str = "9990001065";
pub(crate) const PARENT: &str = "9990001006";
pub(crate) const STRANGER: &str = "9990001014";
const RULES: &str = "
max_label = \"N\"
tags_hidden = [\"SAFEG-CHILD\"]
proxies_end_at = [11, 16]

[[band]]
from_age = 0
own = \"no\"
proxies = [\"parental\"]

[[band]]
from_age = 11
own = \"granted\"
proxies = [\"parental\"]

[[band]]
from_age = 16
own = \"yes\"
proxies = [\"power-of-attorney\", \"deputy\", \"best-interests\", \"consent\"]
";

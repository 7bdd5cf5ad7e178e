use carerecord_model::DateSpan;

use super::super::pairs;
use super::*;

fn parse(text: &str) -> Result<PeopleSearch, SearchError> {
    PeopleSearch::parse(&pairs(text), false)
}

#[test]
fn what_is_too_little_is_refused_and_what_is_enough_is_not() {
    for (text, narrow) in [
        ("", false),
        ("family=Okafor", false),
        ("family=Okafor&gender=female", false),
        ("family=Okafor&given=Ada&gender=female", false),
        ("birthdate=1945-07-14", false),
        ("birthdate=1945-07-14&address-postalcode=XX1", false),
        ("family=O&birthdate=1945-07-14", false),
        ("family=Ok,O&birthdate=1945-07-14", false),
        ("family=Okafor&birthdate=ge1945", false),
        ("family=Okafor&birthdate=ne1945-07-14", false),
        ("family=Okafor&birthdate=1945,1946", false),
        ("family=Okafor&birthdate=ge1945&birthdate=le1946", false),
        ("family=Okafor&address-postalcode=X", false),
        ("given=Ada&birthdate=1945-07-14", false),
        ("given=Ada&birthdate=1945-07&address-postalcode=XX1", false),
        ("identifier=urn:oid:2.999.1|", false),
        ("active=true", false),
        ("family=Ok&birthdate=1945-07-14", true),
        ("family:exact=O&birthdate=1945-07-14", true),
        ("family=Okafor&birthdate=1945", true),
        ("family=Okafor&birthdate=1945-02-03,1945-03-02", true),
        ("family=Okafor&birthdate=ge1945-03&birthdate=lt1945-06-07", true),
        ("family=Okafor&address-postalcode=XX1", true),
        ("given=Ada&birthdate=1945-07-14&address-postalcode=XX1", true),
        ("identifier=9990001006", true),
        ("identifier=urn:oid:2.999.1|H7", true),
        ("identifier=https://example.org/ids|H7", true),
        ("_id=x", true),
    ] {
        let expected = if narrow { Ok(()) } else { Err(SearchError::TooWide) };
        assert_eq!(parse(text).map(drop), expected, "{text}");
    }
}

#[test]
fn birth_dates_are_spans_of_days() {
    let spans = |text: &str| {
        let parsed = parse(&format!("identifier=9990001006&birthdate={text}")).unwrap();
        let of = |s: &DateSpan| (s.from, s.to);
        parsed.search.birth_date[0].iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(spans("1945-07-14"), [(19_450_714, 19_450_714)]);
    assert_eq!(spans("eq1945-07"), [(19_450_700, 19_450_799)]);
    assert_eq!(spans("ap1945"), [(19_450_000, 19_459_999)]);
    assert_eq!(spans("ge1945-07-14"), [(19_450_714, 99_999_999)]);
    assert_eq!(spans("gt1945"), [(19_460_000, 99_999_999)]);
    assert_eq!(spans("lt1945-07"), [(0, 19_450_699)]);
    assert_eq!(spans("le1945-07-14"), [(0, 19_450_714)]);
    assert_eq!(spans("ne1945"), [(0, 19_449_999), (19_460_000, 99_999_999)]);
    assert_eq!(spans("1945-07-14,1946"), [(19_450_714, 19_450_714), (19_460_000, 19_469_999)]);
}

#[test]
fn identifiers_name_people_and_domains() {
    let nhs = "https://fhir.nhs.uk/Id/nhs-number";
    let parsed =
        parse(&format!("identifier={nhs}|999 000 1006,urn:oid:2.999.1|H7&identifier={nhs}|"));
    let search = parsed.unwrap().search;

    let wire: Vec<String> = search.identifiers[0].iter().map(PatientId::to_cx).collect();
    assert_eq!(wire, ["9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO", "H7^^^&2.999.1&ISO"]);
    assert_eq!(search.domains[0][0].as_str(), "2.16.840.1.113883.2.1.4.1");
    let foreign = parse("_id=x&identifier=https://example.org/ids|").unwrap();
    assert!(foreign.unknown_domain);
    let nobody = parse("identifier=https://example.org/ids|H7").unwrap();
    assert_eq!(nobody.search.identifiers, [vec![]]);
}

#[test]
fn what_cannot_be_read_is_told_by_its_name_only() {
    for (text, error) in [
        ("family:contains=kaf&birthdate=1945", SearchError::Unsupported("family:contains".into())),
        ("family=-&birthdate=1945", SearchError::Malformed("family".into())),
        ("birthdate=14/07/1945", SearchError::Malformed("birthdate".into())),
        ("gender=F", SearchError::Malformed("gender".into())),
        ("active=yes", SearchError::Malformed("active".into())),
        ("_count=many", SearchError::Malformed("_count".into())),
        ("identifier=urn:oid:2.999.1|A^B", SearchError::Malformed("identifier".into())),
        ("identifier=urn:oid:2.999.1|,9990001006", SearchError::Malformed("identifier".into())),
        ("family=a,b,c,d,e,f,g,h,i,j,k", SearchError::Malformed("family".into())),
    ] {
        assert_eq!(parse(text).map(drop), Err(error), "{text}");
    }
    assert!(matches!(parse("identifier=9990001007"), Err(SearchError::NhsNumber(_))));
    let ignored = parse("_id=x&telecom=07700900000&address-city=York").unwrap().ignored;
    assert_eq!(ignored, ["telecom", "address-city"]);
    let strict = PeopleSearch::parse(&pairs("_id=x&telecom=07700900000"), true);
    assert_eq!(strict.map(drop), Err(SearchError::Unsupported("telecom".into())));
    assert!(!format!("{:?}", parse("family=Okafor&birthdate=1945").unwrap()).contains("Okafor"));
}

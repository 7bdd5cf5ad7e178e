use carerecord_model::{Code, Dtm, StoredQuery};
use proptest::prelude::*;

use super::date::DateFilter;
use super::parameter::{MAX_PARAMETERS, MAX_VALUE};
use super::token::tokens;
use super::*;

#[test]
fn patient_and_status_are_required() {
    let parse = |s: &str| DocumentReferenceSearch::parse(&pairs(s), false);

    assert_eq!(parse("status=current").unwrap_err(), SearchError::Missing("patient.identifier"));
    assert_eq!(parse(NUMBER).unwrap_err(), SearchError::Missing("status"));
    assert!(parse(&format!("{NUMBER}&status=current,superseded")).is_ok());
    assert!(matches!(
        parse("patient.identifier=9990001007&status=current").unwrap_err(),
        SearchError::NhsNumber(_)
    ));
    let lists = |s: &str| ListSearch::parse(&pairs(s), false);
    let missing = lists(&format!("{NUMBER}&status=current")).unwrap_err();
    assert_eq!(missing, SearchError::Missing("code"));
    let folders = lists(&format!("{NUMBER}&status=current&code=folder")).unwrap();
    assert_eq!(folders.code, ListCode::Folder);
}

#[test]
fn sources_to_ask_are_all_unless_some_or_none_are_named() {
    let sources = |more: &str| {
        let text = format!("{NUMBER}&status=current{more}");
        DocumentReferenceSearch::parse(&pairs(&text), true).map(|search| search.source_state)
    };
    let some = |ids: &[&str]| Ok(Some(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()));

    assert_eq!(sources(""), Ok(None));
    assert_eq!(sources("&source-state=none"), some(&[]));
    assert_eq!(sources("&source-state=2.999.1"), some(&["2.999.1"]));
    assert_eq!(sources("&source-state=2.999.1,2.999.2"), some(&["2.999.1", "2.999.2"]));
    let many = format!("&source-state={}", vec!["2.999.1"; 201].join(","));
    assert_eq!(sources(&many), Err(SearchError::Malformed("source-state".into())));
}

#[test]
fn two_patients_are_a_mistake() {
    let twice = format!("{NUMBER}&patient=9990001006&status=current");
    let other = format!("{NUMBER}&subject:identifier=9990001014&status=current");

    assert!(DocumentReferenceSearch::parse(&pairs(&twice), true).is_ok());
    assert!(DocumentReferenceSearch::parse(&pairs(&other), true).is_err());
}

#[test]
fn statuses_are_ored_by_comma_and_anded_by_repetition() {
    let status = |s: &str| statuses(&pairs(s));
    let (current, superseded) = (AvailabilityStatus::Approved, AvailabilityStatus::Deprecated);

    assert_eq!(status("status=current,retired"), Ok(vec![current, superseded]));
    assert_eq!(status("status=http://hl7.org/fhir/x|superseded"), Ok(vec![superseded]));
    assert_eq!(status("status=current&status=superseded"), Ok(vec![]));
    assert_eq!(status("status=entered-in-error"), Ok(vec![]));
    assert_eq!(status("status=final"), Err(SearchError::Malformed("status".into())));
}

#[test]
fn unknown_parameters_are_left_out_and_unknown_modifiers_refused() {
    let parse = |more: &str, strict| {
        let text = format!("{NUMBER}&status=current&{more}");
        DocumentReferenceSearch::parse(&pairs(&text), strict).err()
    };
    let unsupported = |name: &str| Some(SearchError::Unsupported(name.into()));

    assert_eq!(parse("_sort=colour", false), None);
    assert_eq!(parse("_sort=colour", true), unsupported("_sort"));
    assert_eq!(parse("_sort=-date,_id", true), None);
    assert_eq!(parse("_include=List:item", true), unsupported("_include"));
    assert_eq!(parse("_include=*", false), None);
    assert_eq!(parse("type:below=1", false), unsupported("type:below"));
    assert_eq!(parse("author.family:not=1", false), unsupported("author.family:not"));
    assert_eq!(
        parse("type:missing=perhaps", false),
        Some(SearchError::Malformed("type:missing".into()))
    );
    assert_eq!(
        parse("author.family=-", false),
        Some(SearchError::Malformed("author.family".into()))
    );
    assert_eq!(parse("_count=many", false), Some(SearchError::Malformed("_count".into())));
    assert_eq!(parse("_elements=a/b", false), Some(SearchError::Malformed("_elements".into())));
    assert_eq!(parse("status:missing=true", false), unsupported("status:missing"));
    assert_eq!(parse("author.family:exact=Okafor", true), None);
    assert_eq!(parse("9990001006=1", true), unsupported("(not a name)"), "nothing is echoed");
    assert_eq!(parse("type=", false), Some(SearchError::Malformed("type".into())));
    assert_eq!(parse("type=|", false), Some(SearchError::Malformed("type".into())));
    assert!(parse(&format!("type={}", "x".repeat(MAX_VALUE + 1)), false).is_some());
    assert!(parse(&"type=a&".repeat(MAX_PARAMETERS), false).is_some());
}

#[test]
fn only_the_count() {
    for (more, count_only) in [("_summary=count", true), ("_count=0", true), ("_count=5", false)] {
        let text = format!("{NUMBER}&status=current&{more}");
        let search = DocumentReferenceSearch::parse(&pairs(&text), false).unwrap();
        assert_eq!(search.shown.count_only, count_only, "{more}");
    }
}

#[test]
fn what_is_to_be_shown_is_read() {
    let text = format!(
        "{NUMBER}&status=current&_count=20&_sort=-creation,_id&_elements=type,DocumentReference.author\
         &_revinclude=List:item&_include=DocumentReference:relatesto:DocumentReference\
         &_include=DocumentReference:subject&_total=accurate&colour=red&9990001006=1"
    );

    let shown = DocumentReferenceSearch::parse(&pairs(&text), false).unwrap().shown;

    assert_eq!(shown.count, Some(20));
    let sort = |by, descending| Sort { by, descending };
    assert_eq!(shown.sort, [sort(SortBy::Creation, true), sort(SortBy::Id, false)]);
    assert_eq!(shown.elements.unwrap(), ["type", "author"]);
    assert_eq!(shown.includes, [Include::ListsOfDocuments, Include::RelatedDocuments]);
    assert_eq!(shown.ignored, ["_include", "colour", "(not a name)"], "no value is echoed");
}

#[test]
fn tokens_match_by_system_and_code() {
    let code = Code::new("373942005", "2.16.840.1.113883.2.1.3.2.4.15", "");
    let matches = |text: &str| tokens("type", text).unwrap().iter().any(|t| t.matches(&code));

    for yes in [
        "http://snomed.info/sct|373942005",
        "urn:oid:2.16.840.1.113883.6.96|373942005",
        "373942005",
        "http://snomed.info/sct|",
        "1,373942005",
    ] {
        assert!(matches(yes), "{yes}");
    }
    for no in ["http://loinc.org|373942005", "|373942005", "37394", "1\\,373942005"] {
        assert!(!matches(no), "{no}");
    }
    assert!(tokens("type", "a\\|b").unwrap()[0].matches(&Code::new("a|b", "x", "")));
}

#[test]
fn dates_are_compared_with_their_precision() {
    let matches = |filter: &str, value: &str| {
        let value: Dtm = value.parse().unwrap();
        DateFilter::parse("creation", filter).unwrap().matches(&value)
    };
    for (filter, value, expected) in [
        ("2024", "20240311", true),
        ("2024-03-11", "2024", false),
        ("ge2024-03-11", "20240311093000", true),
        ("ge2024-03-11", "20240310235959", false),
        ("ge2024-03", "2024", true),
        ("gt2024-03-11", "20240311093000", false),
        ("gt2024-03-11", "20240312", true),
        ("sa2024-03", "2024", false),
        ("lt2024-03-11", "20240310", true),
        ("lt2024-03-11", "20240311", false),
        ("le2024-03-11", "20240311235959", true),
        ("eb2024-03-11", "202403", false),
        ("ne2024", "2025", true),
        ("ap2024-03", "2024", true),
        ("2023,2024", "2024", true),
        ("ge2024-03-11T10:30:00+01:00", "20240311093000", true),
    ] {
        assert_eq!(matches(filter, value), expected, "{filter} {value}");
    }
    for bad in ["xx2024", "ge", "", "2024-99", "ge 2024"] {
        assert!(DateFilter::parse("creation", bad).is_err(), "{bad}");
    }
}

#[test]
fn a_period_overlaps_unless_it_ended_before_or_began_after() {
    let dtm = |s: &str| s.parse::<Dtm>().unwrap();
    let (start, stop) = (dtm("20240101"), dtm("20240201"));
    let overlaps = |filter: &str, start: Option<&Dtm>, stop: Option<&Dtm>| {
        DateFilter::parse("period", filter).unwrap().overlaps(start, stop)
    };

    assert!(overlaps("ge2024-01-15", Some(&start), Some(&stop)));
    assert!(overlaps("lt2024-01-15", Some(&start), Some(&stop)));
    assert!(!overlaps("ge2024-02-02", Some(&start), Some(&stop)));
    assert!(!overlaps("lt2024-01-01", Some(&start), Some(&stop)));
    assert!(overlaps("ge2030", Some(&start), None), "it has not ended");
    assert!(overlaps("lt1990", None, Some(&stop)), "it may have begun at any time");
}

#[test]
fn what_xds_can_ask_goes_into_the_stored_query() {
    let text = format!(
        "{NUMBER}&status=current&type=http://snomed.info/sct|1&category=2&creation=ge2024-03-11"
    );
    let search = DocumentReferenceSearch::parse(&pairs(&text), true).unwrap();

    let query = search.find_documents();

    let scheme = |s: &str| ("1".to_owned(), s.to_owned());
    assert!(query.filter.type_code.0[0].contains(&scheme("2.16.840.1.113883.6.96")));
    assert!(query.filter.type_code.0[0].contains(&scheme("2.16.840.1.113883.2.1.3.2.4.15")));
    assert!(query.filter.class_code.0.is_empty(), "a code without system cannot be asked");
    assert_eq!(query.filter.creation_time.from, Some("2024".parse().unwrap()));
    assert_eq!(query.filter.entry_types.len(), 2);
    let _ = StoredQuery::FindDocuments(Box::new(query));
}

#[test]
fn forms_are_decoded_leniently() {
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());

    assert_eq!(
        pairs("a=b+c&d=%7C%zz%&&e&f=%C3%A9%ff"),
        [pair("a", "b c"), pair("d", "|%zz%"), pair("e", ""), pair("f", "é\u{fffd}")]
    );
    assert_eq!(pairs("a=%+1"), [pair("a", "% 1")]);
}

proptest! {
    #[test]
    fn no_query_string_panics(text in "\\PC{0,80}", value in "\\PC{0,30}") {
        let _ = pairs(&text);
        for name in ["type", "creation", "period", "identifier", "_id", "author.given", "status",
            "type:not", "event:missing", "date", "_lastUpdated", "_sort", "_count", "_elements",
            "_include", "author.family:contains"] {
            let all = [
                ("patient.identifier".to_owned(), "9990001006".to_owned()),
                ("status".to_owned(), "current".to_owned()),
                ("code".to_owned(), "folder".to_owned()),
                (name.to_owned(), value.clone()),
            ];
            let _ = DocumentReferenceSearch::parse(&all, true).map(|s| s.find_documents());
            let _ = ListSearch::parse(&all, true);
        }
        let _ = identifier_number(&value);
    }
}

const NUMBER: &str = "patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990001006";

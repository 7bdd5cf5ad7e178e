use super::*;

fn read(text: &str) -> Result<IdentityEvent, Unfit> {
    event(&Message::parse(text.as_bytes()).unwrap())
}

fn known_of(text: &str) -> Known {
    match read(text) {
        Ok(IdentityEvent::Known(known)) => *known,
        _ => panic!("not known"),
    }
}

#[test]
fn identifiers_and_demographics_are_read() {
    let known = known_of(
        "MSH|^~\\&|PAS|T|R|S|2026||ADT^A01|1|P|2.3.1\r\
         PID|||H7^^^&2.999.1&ISO~9990001006^^^NHS^NH~X^^^UNKNOWN||Okafor^Ada^^^Mrs||19450714|F|||1 High St^^Town^^ZZ9 9ZZ^^O~^^^^xx11xx^^H\r\
         PD1||||||||||||Y\r",
    );

    assert_eq!(known.identifiers.len(), 2, "no authority, no identifier");
    assert_eq!(known.identifiers[0].nhs_number().unwrap().digits().len(), 10);
    assert_eq!(known.person.family_name.as_deref(), Some("Okafor"));
    assert_eq!(known.person.restricted, Some(true));
    assert!(known.person.birth_date.is_some());
    assert_eq!(known.person.postcode.as_deref(), Some("XX1 1XX"));
}

#[test]
fn people_without_a_number_are_nothing_to_keep() {
    let text = "MSH|^~\\&|P|T|R|S|2026||ADT^A04|1|P|2.3.1\rPID|||7^^^&2.999.1&ISO\r";
    assert!(matches!(read(text), Ok(IdentityEvent::Nothing)));
    let wrong = "MSH|^~\\&|P|T|R|S|2026||ADT^A04|1|P|2.3.1\rPID|||9990001007^^^NHS\r";
    assert!(matches!(read(wrong), Err(Unfit::Content(FeedError::Wrong(_)))));
}

#[test]
fn a_death_is_told_and_taken_back() {
    let pid = |rest: &str| {
        format!(
            "MSH|^~\\&|P|T|R|S|2026||ADT^A08|1|P|2.5\rPID|||9990001006^^^NHS||O^A||||||||||\
             ||||||||||||||{rest}\r"
        )
    };
    let day = Some(Death::On("2026-10-21".parse().unwrap()));
    for (rest, death) in [
        ("", None),
        ("20261021", day),
        ("202610210815+0000|Y", day),
        ("2026|Y", Some(Death::Told)),
        ("|Y", Some(Death::Told)),
        ("\"\"|Y", Some(Death::DayUnknown)),
        ("\"\"", Some(Death::Withdrawn)),
        ("|\"\"", Some(Death::Withdrawn)),
        ("\"\"|\"\"", Some(Death::Withdrawn)),
        ("|N", Some(Death::Withdrawn)),
    ] {
        assert!(known_of(&pid(rest)).person.death == death, "{rest}");
    }
    assert!(matches!(read(&pid("20261021|N")), Err(Unfit::Content(FeedError::Wrong(_)))));
}

#[test]
fn a_number_that_is_not_traced_is_nobodys_yet() {
    let pid = |status: &str| {
        format!(
            "MSH|^~\\&|P|T|R|S|2026||ADT^A04|1|P|2.5\rPID|||9990001006^^^NHS||O^A||||||||||\
             |||||||||||||||||{status}\r"
        )
    };
    for status in ["", "01", "number-present-and-verified", "AL~01", "UD"] {
        assert!(matches!(read(&pid(status)), Ok(IdentityEvent::Known(_))), "{status}");
    }
    for status in ["02", "04", "trace-required", "AL~08"] {
        assert!(matches!(read(&pid(status)), Ok(IdentityEvent::Nothing)), "{status}");
    }
}

#[test]
fn what_is_merged_is_of_one_authority_and_no_number_becomes_local() {
    let merge = |pid: &str, mrg: &str| {
        read(&format!("MSH|^~\\&|P|T|R|S|2026||ADT^A40|1|P|2.3.1\rPID|||{pid}\rMRG|{mrg}\r"))
    };
    let (one, two, far) = ("H1^^^&2.999.1&ISO", "H2^^^&2.999.1&ISO", "X^^^&2.999.2&ISO");
    let (nhs, other) = ("9990001006^^^NHS", "9990001014^^^NHS");
    let pair = |pid: &str, mrg: &str| match merge(pid, mrg) {
        Ok(IdentityEvent::Merge { surviving, subsumed }) => {
            (surviving.patient_id().id().to_owned(), subsumed.patient_id().id().to_owned())
        }
        _ => panic!("no merge"),
    };
    let pairs = |a: &str, b: &str| (a.to_owned(), b.to_owned());

    assert_eq!(pair(&format!("{nhs}~{one}"), two), pairs("H1", "H2"));
    assert_eq!(pair(&format!("{nhs}~{one}"), &format!("{two}~{nhs}")), pairs("H1", "H2"));
    assert_eq!(
        pair(&format!("{far}~{nhs}~{one}"), &format!("{two}~{other}")),
        pairs("9990001006", "9990001014")
    );
    assert_eq!(pair(nhs, two), pairs("9990001006", "H2"));
    assert!(matches!(merge(one, other), Err(Unfit::Content(FeedError::Wrong(_)))));
    assert!(matches!(merge(one, far), Err(Unfit::Content(FeedError::Wrong(_)))));
    assert!(matches!(merge(one, ""), Err(Unfit::Content(FeedError::Wrong(_)))));
}

#[test]
fn merges_are_read_and_other_events_are_not_taken() {
    let merge = "MSH|^~\\&|P|T|R|S|2026||ADT^A40^ADT_A39|1|P|2.3.1\rPID|||9990001006^^^NHS\r\
        MRG|9990001014^^^NHS\r";
    assert!(matches!(read(merge), Ok(IdentityEvent::Merge { .. })));
    let other = "MSH|^~\\&|P|T|R|S|2026||ORU^R01|1|P|2.3.1\r";
    assert!(matches!(read(other), Err(Unfit::Kind)));
}

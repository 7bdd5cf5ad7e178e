//! Searches of documents and lists: pages, what is shown beside, and of each resource how much.

use std::sync::Arc;

use super::*;

/// A record of so many letters, each a minute older than the one before, all in one set. The last
/// one is replaced by the first.
fn record(letters: u8) -> FakeRegistry {
    let mut registry = registry();
    let member = registry.found.associations[0].clone();
    registry.found.document_entries.clear();
    registry.found.associations.clear();
    for n in 0..letters {
        let mut entry = letter();
        entry.entry_uuid = format!("urn:uuid:{}", id(n)).parse().unwrap();
        entry.unique_id = format!("2.999.1.{n}").parse().unwrap();
        entry.creation_time = Some(format!("202601140900{:02}", 59 - n).parse().unwrap());
        registry.found.associations.push(Association {
            entry_uuid: format!("urn:uuid:6c1d0b52-0000-4000-8001-0000000000{n:02x}")
                .parse()
                .unwrap(),
            target: entry.entry_uuid.clone(),
            ..member.clone()
        });
        registry.found.document_entries.push(entry.into());
    }
    registry.found.associations.push(Association {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8002-000000000001".parse().unwrap(),
        association_type: AssociationType::Replace,
        source: format!("urn:uuid:{}", id(0)).parse().unwrap(),
        target: format!("urn:uuid:{}", id(letters - 1)).parse().unwrap(),
        ..member
    });
    registry
}

fn id(n: u8) -> String {
    format!("6c1d0b52-0000-4000-8000-0000000001{n:02x}")
}

fn ids(resources: &[Value]) -> Vec<String> {
    resources.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == relation)?;
    Some(link["url"].as_str()?.to_owned())
}

fn modes(bundle: &Value, mode: &str) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let of_mode = entries.into_iter().filter(|e| e["search"]["mode"] == mode);
    of_mode.map(|e| e["resource"].clone()).collect()
}

#[tokio::test]
async fn pages_are_whole_exact_and_nobody_elses() {
    let client = Client::of(record(7), Some(person())).await;
    let first = format!("{PATIENT}&_count=3&type=http://snomed.info/sct|373942005");

    let mut answer = client.search("DocumentReference", &first, &[]).await;
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    loop {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let bundle = answer.json();
        assert_eq!(bundle["total"], 7, "{bundle}");
        seen.extend(ids(&modes(&bundle, "match")));
        sizes.push(modes(&bundle, "match").len());
        assert!(modes(&bundle, "outcome").len() == 1, "each page tells of its sources");
        let Some(next) = link(&bundle, "next") else { break };
        assert!(!next.contains(NUMBER) && !next.contains("snomed") && next.len() < 8000, "{next}");
        let mut other = Client::of(record(7), Some(person())).await;
        other.token = other.signer.token(&json!({"sub": "555021900101"}));
        let others = other.get(&next, &[]).await;
        assert_eq!((others.status, others.matches().len()), (404, 0), "{}", others.text);
        let at_lists = next.replace("/DocumentReference?", "/List?");
        assert_eq!(client.get(&at_lists, &[]).await.status, 404);
        assert_eq!(client.get(&format!("{next}x"), &[]).await.status, 404);
        answer = client.get(&next, &[]).await;
        let start = link(&answer.json(), "first").unwrap();
        assert_eq!(client.get(&start, &[]).await.matches()[0]["id"], json!(id(0)));
    }

    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(seen, (0..7).map(id).collect::<Vec<_>>());
    let whole = client.search("DocumentReference", PATIENT, &[]).await;
    assert_eq!(whole.matches().len(), 7, "nobody who asks for no pages gets a part");
    assert_eq!(link(&whole.json(), "next"), None);
}

/// The record of accesses has what was shown, and no more.
#[tokio::test]
async fn a_page_is_recorded_with_what_it_shows() {
    let client = Client::of(record(7), Some(person())).await;
    let form = format!("{PATIENT}&_count=2&_revinclude=List:item");

    let shown = client.search("DocumentReference", &form, &[]).await.json();

    assert_eq!(modes(&shown, "include")[0]["id"], SET);
    let record = client.audited().await.remove(0);
    let expected = [id(0), id(1), SET.to_owned()].map(|id| format!("urn:uuid:{id}"));
    assert_eq!(record.listed, expected);
}

#[tokio::test]
async fn answers_are_in_the_order_that_is_asked_for() {
    let changed = |n: u8, changed_at| LastChange {
        id: format!("urn:uuid:{}", id(n)).parse().unwrap(),
        changed_at,
    };
    let registry =
        FakeRegistry { changes: vec![changed(1, 5_000), changed(0, 4_000)], ..record(3) };
    let client = Client::of(registry, Some(person())).await;
    for (more, order) in [
        ("", [0, 1, 2]),
        ("&_sort=creation", [2, 1, 0]),
        ("&_sort=-creation", [0, 1, 2]),
        ("&_sort=date,_id", [0, 1, 2]),
        ("&_sort=-_id", [2, 1, 0]),
        ("&_sort=-_lastUpdated", [1, 0, 2]),
        ("&_sort=_lastUpdated", [2, 0, 1]),
    ] {
        let found = client.search("DocumentReference", &format!("{PATIENT}{more}"), &[]).await;
        assert_eq!(ids(&found.matches()), order.map(id), "{more}");
    }
    let since = format!("{PATIENT}&_lastUpdated=gt1970-01-01T00:00:04.000Z");
    let since = client.search("DocumentReference", &since, &[]).await.matches();
    assert_eq!(ids(&since), [id(1), id(2)], "what has no time is not left out");
    assert_eq!(since[0]["meta"]["lastUpdated"], "1970-01-01T00:00:05.000Z");
    assert_eq!(since[0]["date"], "2026-01-14T10:22:31Z", "when its set was submitted");
}

/// What was registered, or changed, at or after an instant; what has no such time may have been.
#[tokio::test]
async fn since_finds_what_the_registry_has_changed_since_then() {
    let changed = |id: String, changed_at| LastChange {
        id: format!("urn:uuid:{id}").parse().unwrap(),
        changed_at,
    };
    let changes = vec![
        changed(id(0), 4_000),
        changed(id(1), 5_000),
        changed(id(2), 6_001),
        changed(SET.to_owned(), 6_001),
    ];
    let client = Client::of(FakeRegistry { changes, ..record(3) }, Some(person())).await;
    for (instant, expected) in [
        ("1970-01-01T00:00:04Z", vec![id(0), id(1), id(2)]),
        ("1970-01-01T00:00:05.000Z", vec![id(1), id(2)]),
        ("1970-01-01T01:00:05.001%2B01:00", vec![id(2)]),
        ("1970-01-01T01:00:05.001+01:00", vec![id(2)]),
        ("1970-01-01T00:00:07Z", vec![]),
    ] {
        let since = format!("{PATIENT}&_since={instant}");
        let found = client.search("DocumentReference", &since, &[]).await;
        assert_eq!(ids(&found.matches()), expected, "{instant}");
        let counted = format!("{since}&_summary=count");
        let counted = client.search("DocumentReference", &counted, &[]).await;
        assert_eq!(counted.json()["total"], expected.len(), "{instant}");
        let lists = format!("{since}&code=submissionset");
        let lists = client.search("List", &lists, &[]).await.matches();
        assert_eq!(lists.len(), usize::from(!expected.is_empty()), "{instant}");
    }
    for kind in ["DocumentReference", "List"] {
        for bad in ["", "2026", "2026-11-02T10:00:00", "ge2026-11-02T10:00:00Z", "yesterday"] {
            let form = format!("{PATIENT}&code=folder&_since={bad}");
            let answer = client.search(kind, &form, &[]).await;
            assert_eq!(answer.status, 400, "{kind} {bad}: {}", answer.text);
            assert_eq!(answer.json()["resourceType"], "OperationOutcome");
            assert!(answer.text.contains("_since"), "{}", answer.text);
        }
    }
}

/// A folder with two letters; the second one came into it later, by a set of its own.
fn in_folder(hidden: bool) -> FakeRegistry {
    let mut registry = record(2);
    let found = &mut registry.found;
    if hidden {
        let label = Code::new("V", "2.16.840.1.113883.5.25", "");
        Arc::make_mut(&mut found.document_entries[1]).confidentiality_codes = vec![label];
    }
    found.folders.push(Folder {
        entry_uuid: urn(FOLDER),
        logical_id: None,
        version: 1,
        availability_status: AvailabilityStatus::Approved,
        patient_id: letter().patient_id,
        unique_id: "2.999.3.1".parse().unwrap(),
        codes: vec![letter().type_code],
        last_update_time: Some("20260202000000".parse().unwrap()),
        title: vec![LocalizedString::new("Folder")],
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    });
    let second = SubmissionSet {
        entry_uuid: urn(SECOND),
        submission_time: "20260201000000".parse().unwrap(),
        ..set()
    };
    found.submission_sets.push(second);
    let member = found.associations[0].clone();
    let mut add = |n: u8, source: &str, target: &str| {
        let entry_uuid = format!("urn:uuid:6c1d0b52-0000-4000-8003-0000000000{n:02x}");
        let (source, target) = (urn(source), urn(target));
        let entry_uuid = entry_uuid.parse().unwrap();
        found.associations.push(Association { entry_uuid, source, target, ..member.clone() });
    };
    add(1, FOLDER, &id(0));
    add(2, FOLDER, &id(1));
    add(3, SET, FOLDER);
    add(4, SET, "6c1d0b52-0000-4000-8003-000000000001");
    add(5, SECOND, &id(1));
    add(6, SECOND, "6c1d0b52-0000-4000-8003-000000000002");
    let first = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    let later = "2026-02-02T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    registry.changes =
        [(&*id(0), first), (SET, first), (&*id(1), later), (SECOND, later), (FOLDER, later)]
            .map(|(of, at)| LastChange {
                id: of.parse::<uuid::Uuid>().map(EntryUuid::new).unwrap(),
                changed_at: at.as_millisecond(),
            })
            .to_vec();
    registry
}

fn urn(id: &str) -> ObjectId {
    format!("urn:uuid:{id}").parse().unwrap()
}

/// When a folder was last changed would tell when a document came that nobody may see.
#[tokio::test]
async fn a_folder_does_not_tell_when_what_is_withheld_came_into_it() {
    for (hidden, at) in [(true, "2026-01-01T00:00:00"), (false, "2026-02-02T00:00:00")] {
        let client = Client::of(in_folder(hidden), Some(person())).await;
        let read = client.get(&format!("List/{FOLDER}"), &[]).await;
        let folder = read.json();
        assert_eq!(folder["date"], format!("{at}Z"), "{}", read.text);
        assert_eq!(folder["meta"]["lastUpdated"], format!("{at}.000Z"), "{}", read.text);
        assert_eq!(read.header("last-modified").contains("Feb 2026"), !hidden);
        let beside = format!("{PATIENT}&_revinclude=List:item");
        let beside = client.search("DocumentReference", &beside, &[]).await.json();
        let lists = modes(&beside, "include");
        let beside = lists.iter().find(|list| list["id"] == FOLDER).unwrap();
        assert_eq!(beside["date"], format!("{at}Z"), "{beside}");
        assert!(beside["meta"].get("lastUpdated").is_none(), "nobody has asked: {beside}");
        for later in [
            "_since=2026-01-10T00:00:00Z",
            "_lastUpdated=gt2026-01-10T00:00:00Z",
            "_lastUpdated=ge2026-02",
            "date=gt2026-01-10",
            "date=2026-02-02",
        ] {
            for more in ["", "&_summary=count", "&_sort=_lastUpdated", "&_sort=date"] {
                let form = format!("{PATIENT}&code=folder&{later}{more}");
                let found = client.search("List", &form, &[]).await;
                assert_eq!(found.json()["total"], u8::from(!hidden), "{form}: {}", found.text);
            }
        }
        let all = client.search("List", &format!("{PATIENT}&code=folder"), &[]).await.matches();
        assert_eq!(all[0]["date"], format!("{at}Z"));
    }
}

/// Where the registry does not say when it changed what, the time is that of the set that is shown.
#[tokio::test]
async fn without_the_registrys_times_a_folder_has_that_of_its_set() {
    let registry = FakeRegistry { changes: Vec::new(), ..in_folder(true) };
    let client = Client::of(registry, Some(person())).await;

    let folder = client.get(&format!("List/{FOLDER}"), &[]).await.json();

    assert_eq!(folder["date"], "2026-01-14T10:22:31Z", "{folder}");
}

/// By the id of the document that others are related to: as far as the caller may see it.
#[tokio::test]
async fn what_is_related_is_found_by_reference_and_by_identifier() {
    let related = |hidden: bool| {
        let mut registry = record(4);
        let entries = &mut registry.found.document_entries;
        let first = Arc::make_mut(&mut entries[0]);
        first.reference_ids = vec!["2.999.1.3^^^^urn:ihe:iti:xds:2013:uniqueId".to_owned()];
        Arc::make_mut(&mut entries[1]).reference_ids = vec!["R-7^^^&2.999.8&ISO".to_owned()];
        if hidden {
            let label = Code::new("V", "2.16.840.1.113883.5.25", "");
            Arc::make_mut(&mut entries[3]).confidentiality_codes = vec![label];
        }
        Client::of(registry, Some(person()))
    };
    let (shown, hidden) = (related(false).await, related(true).await);
    let strict = [("prefer", "handling=strict")];
    let three = id(3);
    for (asked, expected) in [
        (format!("related=DocumentReference/{three}"), vec![id(0)]),
        (format!("related={BASE}/DocumentReference/{three}"), vec![id(0)]),
        (
            format!("related=DocumentReference/{},{BASE}/DocumentReference/{three}", id(2)),
            vec![id(0)],
        ),
        (format!("related:DocumentReference={three}"), vec![id(0)]),
        (format!("related={three}"), vec![id(0)]),
        (format!("related=DocumentReference/{three}&related:identifier=R-7"), vec![]),
        (format!("related=DocumentReference/{}", id(2)), vec![]),
        (format!("related=https://elsewhere.example/fhir/DocumentReference/{three}"), vec![]),
        (format!("related=Patient/{three}"), vec![]),
        ("related=DocumentReference/x".to_owned(), vec![]),
        ("related:identifier=urn:oid:2.999.8|R-7".to_owned(), vec![id(1)]),
        ("related.identifier=R-7".to_owned(), vec![id(1)]),
    ] {
        let answer =
            shown.search("DocumentReference", &format!("{PATIENT}&{asked}"), &strict).await;
        assert_eq!(answer.status, 200, "{asked}: {}", answer.text);
        assert_eq!(ids(&answer.matches()), expected, "{asked}");
    }
    let asked = format!("{PATIENT}&related=DocumentReference/{three}");
    let of_hidden = hidden.search("DocumentReference", &asked, &strict).await;
    assert_eq!(of_hidden.json()["total"], 0, "what is withheld is as if it were not there");
    let token = format!("{PATIENT}&related=urn:oid:2.999.8|R-7");
    assert_eq!(shown.search("DocumentReference", &token, &strict).await.status, 400);
}

#[tokio::test]
async fn what_is_shown_beside_has_passed_the_decision() {
    let mut registry = record(3);
    let hidden = Code::new("V", "2.16.840.1.113883.5.25", "");
    let second = &mut registry.found.document_entries[1];
    Arc::make_mut(second).confidentiality_codes = vec![hidden];
    let client = Client::of(registry, Some(person())).await;
    let lists = format!("{PATIENT}&code=submissionset&_include=List:item");
    for (kind, form, included) in [
        ("List", lists.clone(), vec![id(0), id(2)]),
        ("List", format!("{lists}:Observation"), vec![]),
        (
            "DocumentReference",
            format!("{PATIENT}&_id={}&_include=DocumentReference:relatesto", id(0)),
            vec![id(2)],
        ),
        (
            "DocumentReference",
            format!("{PATIENT}&_id={}&_revinclude=DocumentReference:relatesto", id(2)),
            vec![id(0)],
        ),
        ("DocumentReference", format!("{PATIENT}&_include=DocumentReference:relatesto"), vec![]),
        ("DocumentReference", format!("{PATIENT}&_revinclude=List:item"), vec![SET.to_owned()]),
        ("DocumentReference", format!("{PATIENT}&_include=*"), vec![]),
    ] {
        let bundle = client.search(kind, &form, &[]).await.json();

        assert_eq!(ids(&modes(&bundle, "include")), included, "{form}: {bundle}");
        let total = bundle["total"].as_u64().unwrap() as usize;
        assert_eq!(total, modes(&bundle, "match").len(), "only what matches is counted");
        assert!(!bundle.to_string().contains(&id(1)), "{form}: {bundle}");
    }
}

#[tokio::test]
async fn a_patient_is_the_one_that_a_search_gave() {
    let client = Client::of(record(2), Some(person())).await;
    let found = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await.json();
    let url = found["entry"][0]["fullUrl"].as_str().unwrap();
    let bare = url.strip_prefix(&format!("{BASE}/")).unwrap();
    let (_, id) = bare.split_once('/').unwrap();

    for reference in [url, bare, id] {
        let path = format!("DocumentReference?patient={reference}&status=current");
        let answer = client.get(&path, &[("prefer", "handling=strict")]).await;
        assert_eq!((answer.status, answer.matches().len()), (200, 2), "{reference}");
    }
    let other = client.signer.token(&json!({"sub": "555021900101"}));
    let other = Client { token: other, ..client };
    let path = format!("DocumentReference?patient={bare}&status=current");
    assert_eq!(other.get(&path, &[]).await.status, 400, "it means nothing to anybody else");
}

#[tokio::test]
async fn elements_and_what_is_left_out_are_told() {
    let client = Client::of(record(1), Some(person())).await;
    let form = format!("{PATIENT}&_elements=type,author&colour=red&_summary=text");

    let bundle = client.search("DocumentReference", &form, &[]).await.json();

    let resource = &modes(&bundle, "match")[0];
    assert_eq!(resource["meta"]["tag"][0]["code"], "SUBSETTED");
    assert!(resource.get("subject").is_none() && resource.get("type").is_some(), "{resource}");
    let told = modes(&bundle, "outcome")[0].to_string();
    for name in ["colour", "_summary"] {
        assert!(told.contains(&format!("{name} is not supported")), "{told}");
    }
    let xml = [("accept", "application/fhir+xml")];
    let xml = client.search("DocumentReference", &format!("{form}&_count=1"), &xml).await;
    assert!(xml.text.starts_with("<Bundle"), "{}", xml.text);
}

const PATIENT: &str = "patient.identifier=9990001030&status=current";

const FOLDER: &str = "6c1d0b52-0000-4000-8000-0000000000f0";
const SECOND: &str = "6c1d0b52-0000-4000-8000-0000000000f1";

//! What the filters of a query mean.

use carerecord_model::{
    AvailabilityStatus, CodeFilter, DocumentEntryType, DocumentFilter, DtmRange, FindDocuments,
    StoredQuery,
};
use carerecord_testkit::submission::{Builder, PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        q6_ranges_of_times_are_half_open,
        q6_times_of_every_precision_are_compared_by_their_earliest_instant,
        q6_only_stable_entries_unless_asked,
        q6_a_missing_service_time_excludes_nothing,
        q6_a_missing_code_excludes,
        q6_an_author_is_matched_as_a_whole,
    );
}

/// How many entries pass.
async fn found(world: &World, filter: DocumentFilter) -> usize {
    let status = vec![AvailabilityStatus::Approved];
    let filter = DocumentFilter { status, ..filter };
    let query = FindDocuments { patient_id: PATIENT.parse().unwrap(), filter };
    world.ask(StoredQuery::FindDocuments(Box::new(query))).await.document_entries.len()
}

fn range(from: &str, to: &str) -> DtmRange {
    let bound = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    DtmRange { from: bound(from), to: bound(to) }
}

pub async fn q6_ranges_of_times_are_half_open(world: &World) {
    let mut s = Builder::default().document();
    s.document_entries[0].creation_time = Some("20041224".parse().unwrap());
    world.register(&s).await.unwrap();

    let cases = [
        (("20041224", "20050101"), 1),
        (("20041124", "20041224"), 0),
        (("20041224000001", ""), 0),
        (("2004", "2005"), 1),
        (("", ""), 1),
    ];
    for ((from, to), expected) in cases {
        let filter = DocumentFilter { creation_time: range(from, to), ..Default::default() };
        assert_eq!(found(world, filter).await, expected, "from {from} to {to}");
    }
}

/// `YYYY` to `YYYYMMDDhhmmss`, in the bounds as in the entry.
pub async fn q6_times_of_every_precision_are_compared_by_their_earliest_instant(world: &World) {
    let mut b = Builder::default();
    for time in ["2003", "200406", "20050607", "2006070809", "200708091011", "20080910111213"] {
        let mut s = b.document();
        s.document_entries[0].creation_time = Some(time.parse().unwrap());
        world.register(&s).await.unwrap();
    }

    let cases = [
        ("2003", "2004", 1),
        // 2003 may mean its first month, not its second.
        ("200301", "200302", 1),
        ("200302", "2004", 0),
        ("200406", "20040602", 1),
        ("2004060100", "200406010001", 1),
        ("20040601000001", "2005", 0),
        ("20050607", "2005060701", 1),
        ("2006070809", "200607080901", 1),
        ("200607080901", "2007", 0),
        ("200708091011", "20070809101101", 1),
        ("20080910111213", "20080910111214", 1),
        ("2008091011", "20080910111213", 0),
        ("2003", "2009", 6),
    ];
    for (from, to, expected) in cases {
        let filter = DocumentFilter { creation_time: range(from, to), ..Default::default() };
        assert_eq!(found(world, filter).await, expected, "from {from} to {to}");
    }
}

/// Creation times do not exclude what has none because it is made on demand.
pub async fn q6_only_stable_entries_unless_asked(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    let e = &mut s.document_entries[0];
    e.entry_type = DocumentEntryType::OnDemand;
    (e.hash, e.size, e.creation_time) = (None, None, None);
    world.register_as(&s, DocumentEntryType::OnDemand).await.unwrap();
    let of = |types: &[DocumentEntryType]| DocumentFilter {
        entry_types: types.to_vec(),
        ..Default::default()
    };

    assert_eq!(found(world, of(&[])).await, 1);
    assert_eq!(found(world, of(&[DocumentEntryType::OnDemand])).await, 1);
    let both = of(&[DocumentEntryType::Stable, DocumentEntryType::OnDemand]);
    assert_eq!(found(world, both.clone()).await, 2);
    let long_ago = DocumentFilter { creation_time: range("1990", "1991"), ..both };
    assert_eq!(found(world, long_ago).await, 1);
}

pub async fn q6_a_missing_service_time_excludes_nothing(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    s.document_entries[0].service_start_time = Some("2004".parse().unwrap());
    s.document_entries[0].service_stop_time = Some("2005".parse().unwrap());
    world.register(&s).await.unwrap();

    let start = DocumentFilter { service_start_time: range("2010", ""), ..Default::default() };
    assert_eq!(found(world, start).await, 1);
    let stop = DocumentFilter { service_stop_time: range("2005", "2006"), ..Default::default() };
    assert_eq!(found(world, stop).await, 2);
}

/// Codes are compared with their scheme.
pub async fn q6_a_missing_code_excludes(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    s.document_entries[0].event_codes =
        ["A", "B"].map(|c| carerecord_model::Code::new(c, "1.2.3", c)).to_vec();
    world.register(&s).await.unwrap();
    let events = |groups: &[&[(&str, &str)]]| {
        let code = |(c, s): &(&str, &str)| ((*c).to_owned(), (*s).to_owned());
        let groups = groups.iter().map(|g| g.iter().map(code).collect()).collect();
        DocumentFilter { event_codes: CodeFilter(groups), ..Default::default() }
    };
    let (a, b, c) = (("A", "1.2.3"), ("B", "1.2.3"), ("C", "1.2.3"));

    assert_eq!(found(world, events(&[&[a, c]])).await, 1, "one or the other");
    assert_eq!(found(world, events(&[&[a], &[b]])).await, 1, "one and the other");
    assert_eq!(found(world, events(&[&[a], &[c]])).await, 0);
    assert_eq!(found(world, events(&[&[("A", "9.9.9")]])).await, 0, "another scheme");
}

/// `%` and `_` are always wildcards, a backslash has no meaning, case counts.
pub async fn q6_an_author_is_matched_as_a_whole(world: &World) {
    world.register(&Builder::default().document()).await.unwrap();

    for (pattern, expected) in [
        ("%Okafor%", 1),
        ("77123^Okafor^Ngozi", 1),
        ("Okafor", 0),
        ("%okafor%", 0),
        ("_7123%", 1),
        ("%Okafor\\%", 0),
    ] {
        let author_person = vec![pattern.to_owned()];
        let filter = DocumentFilter { author_person, ..Default::default() };
        assert_eq!(found(world, filter).await, expected, "{pattern}");
    }
}

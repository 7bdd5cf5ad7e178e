use std::hint::black_box;
use std::time::{Duration, Instant};

use carerecord_codec::{SubmitObjectsRequest, SubmittedObjects, ebrim, found_objects};
use carerecord_model::{FoundObjects, ReturnType};
use carerecord_testkit::submission::Builder;

/// Reads a submission to its model, and writes a hundred entries, for a second each.
pub fn run() {
    let mut submission = Builder::default().document();
    // As long as real ones are.
    submission.document_entries[0].source_patient_info =
        (0..40).map(|n| format!("PID-{n}|{}", "x".repeat(120))).collect();
    let text = carerecord_xml::encode(&SubmittedObjects(&submission))
        .expect("a built submission can be written");
    let read = rate(text.len(), || {
        let request: SubmitObjectsRequest =
            carerecord_xml::decode(&text).expect("what we write can be read");
        black_box(ebrim::submission(request.objects).expect("and makes a submission"));
    });
    println!("SubmitObjectsRequest of {} bytes to its model: {read:.0} MB/s", text.len());

    let mut entry = Builder::default().entry();
    entry.entry_uuid = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".parse().expect("a UUID");
    entry.version = 1;
    let found =
        FoundObjects { document_entries: vec![entry.into(); 100], ..FoundObjects::default() };
    let once = write(&found);
    let written = rate(once, || {
        black_box(write(&found));
    });
    println!("100 entries of {} bytes to ebRIM: {written:.0} MB/s", once / 100);
}

/// As an answer is written: in pieces.
fn write(found: &FoundObjects) -> usize {
    let pieces = found_objects(ReturnType::LeafClass, found);
    pieces.map(|piece| black_box(piece.expect("built entries can be written")).len()).sum()
}

/// Megabytes a second of the best of five turns.
fn rate(bytes: usize, mut work: impl FnMut()) -> f64 {
    let mut best = 0.0f64;
    for _ in 0..5 {
        let (start, mut n) = (Instant::now(), 0usize);
        while start.elapsed() < Duration::from_millis(400) {
            work();
            n += 1;
        }
        best = best.max((n * bytes) as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
    best
}

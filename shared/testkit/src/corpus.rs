use std::path::{Path, PathBuf};

/// The folder of real input beside the repository, or where `CARERECORD_CORPUS` says. Without it
/// the test is skipped, and says so; in CI that is a failure.
pub fn corpus() -> Option<PathBuf> {
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    let named = std::env::var_os("CARERECORD_CORPUS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from(usual));
    if folder.is_dir() {
        return Some(folder);
    }
    must_not_skip("the corpus is missing; CARERECORD_CORPUS says where it is");
    None
}

/// The worked examples of the digests, which stand beside the corpus.
pub fn examples(corpus: &Path) -> Option<PathBuf> {
    let folder = corpus.join("../spec/xds-examples");
    if folder.is_dir() {
        return Some(folder);
    }
    must_not_skip("the examples beside the corpus are missing");
    None
}

/// Says that something is left out, and why; in CI nothing may be.
#[expect(clippy::disallowed_methods, reason = "CI says by CI=true that nothing may be skipped")]
pub fn must_not_skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("skipped: {why}");
}

/// Changes one byte in the middle of a file.
pub fn flip_byte(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// Every file below a folder, sorted. A folder that is gone meanwhile has none.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.unwrap(),
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

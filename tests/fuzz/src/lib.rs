//! A target for each decoder that takes bytes from outside: a plain function that must neither panic
//! nor take long, and checks what must hold of what it has read. `tests/bounded.rs` runs each over
//! its seeds and a number of mutations of them; the binary gives one input to one target, for any
//! fuzzer outside.

#![warn(missing_docs)]

pub mod mutate;
mod targets;

use std::path::PathBuf;

/// One decoder.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name, also of the folder of its seeds.
    pub name: &'static str,
    /// Takes any bytes. Panics when something does not hold.
    pub run: fn(&[u8]),
    /// Pieces of the language that it reads.
    pub words: &'static [&'static [u8]],
}

/// Every target.
pub fn targets() -> Vec<Target> {
    targets::ALL.to_vec()
}

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    targets::ALL.iter().find(|target| target.name == name).copied()
}

/// The seeds of a target, by their names.
///
/// # Errors
/// When its folder cannot be read.
pub fn seeds(target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.iter().map(std::fs::read).collect()
}

//! `carerecord-fuzz TARGET [FILE]`: gives one input, a file or standard input, to one target.

use std::io::Read as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, file) = match arguments.as_slice() {
        [name] => (name, None),
        [name, file] => (name, Some(file)),
        _ => return usage(),
    };
    let Some(target) = carerecord_fuzz::target(name) else { return usage() };
    let mut bytes = Vec::new();
    let read = match file {
        Some(file) => std::fs::read(file).map(|read| bytes = read),
        None => std::io::stdin().lock().read_to_end(&mut bytes).map(drop),
    };
    if let Err(error) = read {
        eprintln!("error: the input cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    (target.run)(&bytes);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: carerecord-fuzz TARGET [FILE]\n\ntargets:");
    for target in carerecord_fuzz::targets() {
        eprintln!("  {}", target.name);
    }
    ExitCode::FAILURE
}

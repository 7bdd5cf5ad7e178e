use std::path::PathBuf;
use std::time::SystemTime;

/// Removes files of uploads that nobody has written to since `before`; returns how many.
pub(super) fn remove_abandoned(folder: PathBuf, before: SystemTime) -> std::io::Result<u64> {
    let mut removed = 0;
    let mut waiting = vec![folder];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // What is gone meanwhile was somebody's who finished it.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if is_upload(&entry.file_name()) && metadata.modified()? < before {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// As `LocalFileSystem` names a file that is not complete: `name#1`.
fn is_upload(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

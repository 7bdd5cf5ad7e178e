use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::must_not_skip;

/// A disk of its own below a folder, small enough to be filled; gone with this value.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// A disk of so many MiB at a folder, which is made; `None`, said on standard output, where
    /// this process may not mount one.
    pub fn at(folder: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={mib}m,mode=700");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "carerecord-test"]).arg(folder);
        let output = command.output();
        if output.as_ref().is_ok_and(|o| o.status.success()) {
            return Some(Self { at: folder.to_owned() });
        }
        let why =
            output.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into());
        if may_mount() {
            must_not_skip(&format!("no small disk can be had: {why}"));
        } else {
            println!("skipped: this process may not mount a small disk: {why}");
        }
        None
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.at.join(FILLER)).unwrap();
        for block in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
    }

    /// Gives back what `fill` took.
    pub fn free(&self) {
        std::fs::remove_file(self.at.join(FILLER)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has files there keeps them until it ends.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Whether the system lets this process mount: CAP_SYS_ADMIN, capabilities(7).
fn may_mount() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = effective.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << 21) != 0)
}

const FILLER: &str = "filler";

//! The disk of the relay, where one can be mounted.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DISK_BYTES: &str = "size=4g";

/// A disk in memory that can be filled; unmounted when dropped, unless its files are wanted.
pub(super) struct Disk(PathBuf);

impl Disk {
    /// `None`: not allowed here.
    pub(super) fn mount(dir: &Path) -> Option<Disk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK_BYTES, "axon-torture"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Disk(dir.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

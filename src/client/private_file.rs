//! Files that only their owner reads: written beside, then moved into place whole.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Makes a new file of mode 0600; never in the place of another.
///
/// # Errors
/// It exists already, or cannot be written.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link never replaces a file.
    placed(path, bytes, |beside| fs::hard_link(beside, path))
}

/// Writes a file of mode 0600, in the place of the one that is there.
///
/// # Errors
/// It cannot be written; then the old one is still there.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    placed(path, bytes, |beside| fs::rename(beside, path))
}

fn placed(path: &Path, bytes: &[u8], place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}", rand::random::<u64>()));
    let beside = PathBuf::from(beside);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            place(&beside)
        });
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

/// Has the names in the directory of `path` on disk, as they are now.
///
/// # Errors
/// The disk's.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir)?.sync_all()
}

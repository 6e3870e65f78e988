//! `--set`, wherever it stands.

use std::ffi::OsString;

/// The arguments with every `--set` in front of the command. clap keeps only the deepest ones
/// of an option that may stand at every level, and those in front of it would be lost.
pub(super) fn first(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let (mut first, mut rest): (Vec<OsString>, Vec<OsString>) =
        (args.next().into_iter().collect(), Vec::new());
    while let Some(arg) = args.next() {
        let bytes = arg.as_encoded_bytes();
        if bytes == b"--" {
            rest.push(arg);
            rest.extend(args.by_ref());
        } else if bytes == b"--set" {
            // Without a value it stays last, where clap misses it.
            match args.next() {
                Some(value) => first.extend([arg, value]),
                None => rest.push(arg),
            }
        } else if bytes.starts_with(b"--set=") {
            first.push(arg);
        } else {
            rest.push(arg);
        }
    }
    first.append(&mut rest);
    first
}

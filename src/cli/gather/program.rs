//! A program of the user's: given something to read, asked for what it prints.

use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// The first `bytes_max` bytes of what `command`, run by `sh -c`, prints for `input`; what it prints
/// beyond them is dropped. A dropped future kills it, and whatever it has started.
///
/// # Errors
/// A sentence: it does not start, or ends with another status than 0.
pub(super) async fn ask(command: &str, input: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped());
    // Its own group, to which what it starts belongs, too: a pipeline, and what that has started.
    let mut child = shell
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("sh does not start: {error}"))?;
    let group = Group::of(&child);
    let stdin = child.stdin.take();
    // A program need not read all of it.
    let give = async move {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&input).await;
        }
    };
    let ((), printed) = tokio::join!(give, printed(&mut child, bytes_max));
    let printed = printed.map_err(|error| format!("the program's output cannot be read: {error}"))?;
    let status = child.wait().await.map_err(|error| format!("the program's end is unknown: {error}"))?;
    group.has_ended();
    if !status.success() {
        return Err(format!("the program ended with {status}"));
    }
    Ok(printed)
}

/// The beginning of what it prints; the rest is read, too, so that it can go on to its end.
async fn printed(child: &mut Child, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        (&mut *stdout).take(bytes_max).read_to_end(&mut text).await?;
        tokio::io::copy(stdout, &mut tokio::io::sink()).await?;
    }
    Ok(text)
}

/// A program's process group; killed when dropped. Only while nobody has waited for its leader: until
/// then the number is nobody else's.
struct Group(Option<Pid>);

impl Group {
    /// The group that this process leads.
    fn of(leader: &Child) -> Group {
        Group(leader.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// Its leader has been waited for.
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

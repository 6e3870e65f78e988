//! The relay's process.

use super::faults::Preload;
use super::stretch;
use crate::base::PubKey;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How every relay of a run is started.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) program: PathBuf,
    pub(super) config: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) url: String,
    pub(super) preload: Option<Preload>,
}

impl Setup {
    /// Writes the configuration of a relay in `dir` that allows these keys. The memtables are
    /// small, so that flushes and merges go on all the time, and retention has much to do.
    pub(super) fn new(
        program: PathBuf,
        dir: &Path,
        keys: &[PubKey],
        preload: Option<Preload>,
    ) -> io::Result<Setup> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (config, data_dir) = (dir.join("axon.toml"), dir.join("data"));
        fs::create_dir_all(&data_dir)?;
        let mut text = format!(
            "[relay]\nlisten = \"{address}\"\ndata_dir = {:?}\ndurability = \"fsync\"\n\
             [http]\nlisten = \"\"\n[log]\nlevel = \"warn\"\n\
             [store]\nlog_memtable_bytes = 2097152\nids_memtable_bytes = 1048576\n\
             index_memtable_bytes = 1048576\nindex_flush_events = 8192\nreserve_bytes = 16777216\n{}",
            data_dir.to_string_lossy(),
            stretch::rules()
        );
        for key in keys {
            text.push_str(&format!("[[allow]]\npubkey = \"{key}\"\nrole = \"member\"\n"));
        }
        fs::write(&config, text)?;
        Ok(Setup { program, config, data_dir, url: format!("ws://{address}"), preload })
    }

    /// Starts a relay; it may not serve yet.
    pub(super) fn spawn(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--json", "--config"]).arg(&self.config);
        if let Some(preload) = &self.preload {
            command.env("LD_PRELOAD", &preload.library).env("AXON_FAULTS", &preload.control);
            command.env("AXON_FAULTS_DIR", &self.data_dir);
        }
        let messages = self.messages()?;
        Ok(Running(command.stdout(Stdio::piped()).stderr(messages).spawn()?))
    }

    /// Starts a relay and waits until it serves; an end before that is told with its last words.
    pub(super) fn start(&self) -> io::Result<Result<Running, String>> {
        let mut relay = self.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = relay.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line.starts_with('{') {
            return Ok(Ok(relay));
        }
        relay.0.wait()?;
        Ok(Err(self.last_words()?))
    }

    /// The end of what relays wrote to standard error.
    pub(super) fn last_words(&self) -> io::Result<String> {
        let mut text = String::new();
        fs::File::open(self.messages_path())?.read_to_string(&mut text)?;
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        Ok(lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }

    fn messages(&self) -> io::Result<fs::File> {
        fs::File::options().create(true).append(true).open(self.messages_path())
    }

    fn messages_path(&self) -> PathBuf {
        self.config.with_file_name("relay.log")
    }

    /// Another command of the program on this relay's store: whether it was content, and its
    /// standard output and error.
    pub(super) fn command(&self, args: &[&str]) -> io::Result<(bool, String)> {
        let output = Command::new(&self.program).args(args).arg("--config").arg(&self.config).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }
}

/// A process, which does not outlive this.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    /// Whether a thread whose name begins so is at work at this moment: it is not waiting for any.
    pub(super) fn is_busy(&self, thread: &str) -> io::Result<bool> {
        let thread = format!("({thread}");
        for entry in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            // A thread that has just ended has no file any more.
            let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
            let busy = stat
                .split_once(") ")
                .is_some_and(|(name, rest)| name.contains(&thread) && !rest.starts_with('S'));
            if busy {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// kill −9.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// SIGTERM; whether it ended well.
    pub(super) fn terminate(&mut self) -> io::Result<bool> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        }
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

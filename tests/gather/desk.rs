//! Where an agent types `axon gather …`: a directory of its own, the real binary.

use super::harness::*;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A directory in which one agent types.
pub struct Desk {
    pub dir: tempfile::TempDir,
    pub url: String,
}

impl Desk {
    pub fn at(url: &str) -> Desk {
        Desk { dir: tempfile::tempdir().expect("a scratch directory"), url: url.to_owned() }
    }

    /// With a registered agent; its id.
    pub fn agent(service: &Service, name: &str) -> (Desk, String) {
        let desk = Desk::at(&service.url());
        let id = desk.json(&["register", "--name", name])["agent_id"].as_str().expect("an id").to_owned();
        (desk, id)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_axon"));
        command.arg("gather").args(args).env_clear().current_dir(self.dir.path());
        command.env("HOME", self.dir.path()).env("AXON_GATHER_URL", &self.url);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the axon binary")
    }

    /// Expects success; what was printed.
    #[track_caller]
    pub fn text(&self, args: &[&str]) -> String {
        finished(args, self.output(args))
    }

    /// Expects success; the one object that was printed.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.text(&[&["--json"], args].concat());
        assert_eq!(text.lines().count(), 1, "one object per line: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Expects exit code 1 and nothing on stdout; what was said instead.
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> String {
        let out = self.output(args);
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0), "{args:?}: {out:?}");
        String::from_utf8(out.stderr).expect("text")
    }

    /// A command that goes on while others are typed.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("the axon binary")
    }
}

#[track_caller]
pub fn finished(args: &[&str], out: Output) -> String {
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

pub fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// The text of a property.
#[track_caller]
pub fn of<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}"))
}

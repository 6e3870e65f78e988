//! `axon service`: what a service manager needs to run the relay.

use super::Failure;
use super::output::Output;
use clap::Args;
use serde_json::json;

const SYSTEMD: &str = include_str!("axon.service");

#[derive(Debug, Args)]
pub(super) struct ServiceFlags {
    /// What will run it
    #[arg(value_parser = ["systemd"])]
    pub(super) manager: String,
    /// This program, where the service finds it
    #[arg(long, value_name = "FILE", default_value = "/usr/local/bin/axon")]
    pub(super) binary: String,
    /// The service's configuration file
    #[arg(long = "service-config", value_name = "FILE", default_value = "/etc/axon/axon.toml")]
    pub(super) config_file: String,
}

/// Prints the unit with the paths filled in; with `--json` as `{"unit": text}`.
pub(super) fn run(flags: &ServiceFlags, output: &mut Output) -> Result<(), Failure> {
    let unit = SYSTEMD
        .replace("@BINARY@", &absolute("--binary", &flags.binary)?)
        .replace("@CONFIG@", &absolute("--service-config", &flags.config_file)?);
    Ok(output.either(|| json!({ "unit": unit }), || unit.trim_end().to_owned())?)
}

/// systemd knows no working directory, and would read other characters as its own.
fn absolute(flag: &str, path: &str) -> Result<String, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    match path.starts_with('/') && path.chars().all(plain) {
        true => Ok(path.to_owned()),
        false => Err(format!("{flag} {path}: must be an absolute path of letters, digits and /._-+@").into()),
    }
}

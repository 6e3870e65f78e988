//! `axon service`: what a service manager needs to run the relay.

use super::Failure;
use super::args::ServiceFlags;
use super::output::Output;
use serde_json::json;

const SYSTEMD: &str = include_str!("axon.service");

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

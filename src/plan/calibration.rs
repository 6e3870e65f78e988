//! What a unit of work costs on one machine, as `axon-perf calibrate` writes it.

use super::coefficients::COEFFICIENTS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// The form of the file. A change of meaning is a new number: old files are measured again.
pub const FORMAT: u32 = 2;

/// A price, a size or a rate beyond this is a damaged file, and would overflow the sums.
const NUMBER_MAX: f64 = 1e15;

/// One machine's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    pub format: u32,
    /// Unix seconds.
    pub made_at: i64,
    /// The relay's version.
    pub axon: String,
    pub machine: String,
    pub cores: u32,
    pub memory_gib: f64,
    pub kernel: String,
    pub facts: Facts,
    /// CPU microseconds by the names of [`COEFFICIENTS`].
    pub prices: BTreeMap<String, f64>,
    /// How well the prices explain the runs they were fitted to.
    pub residuals: Vec<Residual>,
}

/// What is measured directly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Write and sync of one page, microseconds.
    pub sync_p50_us: f64,
    pub sync_p99_us: f64,
    /// Bytes copied from one place in memory to another, all cores together, per second.
    pub copy_bytes_per_second: f64,
    /// Bytes written and synced in one stretch, per second.
    pub disk_bytes_per_second: f64,
    /// The relay's private memory without any connection.
    pub idle_bytes: f64,
    /// Private memory of a connection that has logged in, and of a subscription.
    pub connection_bytes: f64,
    pub subscription_bytes: f64,
    /// The kernel's memory of one idle socket.
    pub socket_bytes: f64,
    /// On disk, beyond its own bytes, for each stored event: its rows.
    pub disk_event_bytes: f64,
    /// On disk for each byte of an event.
    pub disk_byte_factor: f64,
    /// Bytes written to the disk (log, flushes, merges) for each byte that stays there.
    pub write_amplification: f64,
}

/// One run of the calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    pub run: String,
    /// CPU microseconds per event.
    pub measured_us: f64,
    pub fitted_us: f64,
}

impl Residual {
    /// How far the fit is off, as a part of what was measured.
    pub fn error(&self) -> f64 {
        if self.measured_us > 0.0 { self.fitted_us / self.measured_us - 1.0 } else { 0.0 }
    }
}

/// Why a file is no calibration. Each says what to do.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CalibrationError {
    #[error("not a calibration: {0}; make one with `axon-perf calibrate`")]
    Unreadable(String),
    #[error("`format` is {0}, this version reads {known}; make a new one with `axon-perf calibrate`", known = FORMAT)]
    Format(u32),
    #[error("`{field}` is {value}, not between {least} and {most:e}; make a new one with `axon-perf calibrate`", most = NUMBER_MAX)]
    Number { field: String, value: f64, least: f64 },
    #[error("`prices.{0}` is missing; make a new one with `axon-perf calibrate`")]
    Missing(&'static str),
}

impl Calibration {
    /// Reads a file's text and checks it.
    ///
    /// # Errors
    /// Names the field.
    pub fn read(text: &str) -> Result<Calibration, CalibrationError> {
        let unreadable = |error: serde_json::Error| CalibrationError::Unreadable(error.to_string());
        // The form first: another one may lack any field.
        let value: serde_json::Value = serde_json::from_str(text).map_err(unreadable)?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format != u64::from(FORMAT) {
            return Err(CalibrationError::Format(u32::try_from(format).unwrap_or(u32::MAX)));
        }
        let calibration: Calibration = serde_json::from_value(value).map_err(unreadable)?;
        calibration.check()?;
        Ok(calibration)
    }

    fn check(&self) -> Result<(), CalibrationError> {
        for coefficient in COEFFICIENTS {
            let price =
                self.prices.get(coefficient.name).ok_or(CalibrationError::Missing(coefficient.name))?;
            within(&format!("prices.{}", coefficient.name), *price, 0.0)?;
        }
        let facts = &self.facts;
        for (name, value, least) in [
            ("sync_p50_us", facts.sync_p50_us, 0.0),
            ("sync_p99_us", facts.sync_p99_us, 0.0),
            ("copy_bytes_per_second", facts.copy_bytes_per_second, 1.0),
            ("disk_bytes_per_second", facts.disk_bytes_per_second, 1.0),
            ("idle_bytes", facts.idle_bytes, 0.0),
            ("connection_bytes", facts.connection_bytes, 0.0),
            ("subscription_bytes", facts.subscription_bytes, 0.0),
            ("socket_bytes", facts.socket_bytes, 0.0),
            ("disk_event_bytes", facts.disk_event_bytes, 0.0),
            ("disk_byte_factor", facts.disk_byte_factor, 0.0),
            ("write_amplification", facts.write_amplification, 0.0),
        ] {
            within(&format!("facts.{name}"), value, least)?;
        }
        Ok(())
    }
}

fn within(field: &str, value: f64, least: f64) -> Result<(), CalibrationError> {
    // Written so that NaN is refused.
    if value >= least && value <= NUMBER_MAX {
        Ok(())
    } else {
        Err(CalibrationError::Number { field: field.to_owned(), value, least })
    }
}

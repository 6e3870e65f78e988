//! `axon serve`: start, say so, reload on SIGHUP, stop on SIGINT and SIGTERM.

use super::config::{Config, ConfigErrors, LogFormat};
use super::facts::Facts;
use super::relay::{Relay, RelayError};
use super::reload::{SetLevel, Source};
use std::io::IsTerminal as _;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Why serving ended with an error.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The signal handlers could not be set up.
    #[error("signals cannot be handled: {0}")]
    Signals(std::io::Error),
}

/// Runs the relay that `source` describes until SIGINT or SIGTERM; SIGHUP lets it read `source`
/// again. `announce` gets what the relay says once it serves.
///
/// # Errors
/// The configuration is wrong, it did not start, or did not stop cleanly.
pub fn serve(source: Source, announce: impl FnOnce(&Facts)) -> Result<(), ServeError> {
    let config = source()?;
    let set_level = start_logging(&config);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Signals)?;
    // Before the relay starts, so that a signal during the start is not lost.
    let mut signals = {
        let _inside = runtime.enter();
        Signals::watch().map_err(ServeError::Signals)?
    };
    let relay = Relay::start(&config, source, set_level)?;
    announce(relay.facts());
    let signal = loop {
        match runtime.block_on(signals.next()) {
            "SIGHUP" => relay.reload(),
            signal => break signal,
        }
    };
    tracing::info!(signal, "stopping");
    relay.stop()?;
    tracing::info!("stopped");
    Ok(())
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Starts it, and says how its level is changed later.
fn start_logging(config: &Config) -> SetLevel {
    let filter = EnvFilter::new(&config.log.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second relay in one process (tests) keeps the first one's logging.
    match config.log.format {
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| handle.reload(EnvFilter::new(level)).map_err(|error| error.to_string()))
        }
        LogFormat::Text => {
            let is_terminal = std::io::stderr().is_terminal();
            let builder = builder.with_ansi(is_terminal).with_target(false).with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            Box::new(move |level| handle.reload(EnvFilter::new(level)).map_err(|error| error.to_string()))
        }
    }
}

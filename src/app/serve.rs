//! `axon serve`: start, say so, wait for a signal, stop.

use super::config::{Config, LogFormat};
use super::facts::Facts;
use super::relay::{Relay, RelayError};
use std::io::IsTerminal as _;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Why serving ended with an error.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The signal handlers could not be set up.
    #[error("signals cannot be handled: {0}")]
    Signals(std::io::Error),
}

/// Runs a relay until SIGINT or SIGTERM. `announce` gets what the relay says once it serves.
///
/// # Errors
/// It did not start, or did not stop cleanly.
pub fn serve(config: &Config, announce: impl FnOnce(&Facts)) -> Result<(), ServeError> {
    start_logging(config);
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
    let relay = Relay::start(config)?;
    announce(relay.facts());
    let signal = runtime.block_on(signals.next());
    tracing::info!(signal, "stopping");
    relay.stop()?;
    tracing::info!("stopped");
    Ok(())
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

fn start_logging(config: &Config) {
    let filter = EnvFilter::new(&config.log.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second relay in one process (tests) keeps the first one's logging.
    let _ = match config.log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
}

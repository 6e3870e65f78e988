//! Why a connection ended: a closed list, for the log line and the metrics.

use super::counters::Count;
use super::reason::Reason;
use std::fmt;

/// Why a connection ended, or was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The peer said Close.
    Left,
    /// The peer's end of the socket is gone.
    Gone,
    /// It asked for the relay's description, or for something the relay does not have.
    NoUpgrade,
    /// What it sent is not TLS as it should be, on a relay that speaks TLS.
    Tls,
    /// No upgrade or no login within the time limit.
    Late,
    /// The login was refused, or something else came before it.
    LoginRefused,
    /// Its key has as many connections as it may.
    KeyConnections,
    /// The oldest without a login made room for a new one.
    Displaced,
    /// Its key was taken off the allowlist.
    KeyRemoved,
    /// An operator closed it.
    Dismissed,
    /// Its bytes were not WebSocket, or a message was too long.
    Protocol,
    /// No sign of life.
    Idle,
    /// It took no byte for too long, or did not finish its end.
    Stalled,
    /// The relay is stopping.
    Stopping,
    /// Not let in: the relay has not read its log yet.
    Starting,
    /// Not let in: too many connections.
    Full,
    /// Not let in: too many from this address.
    AddressFull,
    /// Not let in: too many from this address without a login.
    AddressHalfOpen,
    /// Something of the system failed.
    System,
}

impl Closing {
    /// Every one, for the metrics.
    pub const ALL: [Closing; 19] = [
        Closing::Left,
        Closing::Gone,
        Closing::NoUpgrade,
        Closing::Tls,
        Closing::Late,
        Closing::LoginRefused,
        Closing::KeyConnections,
        Closing::Displaced,
        Closing::KeyRemoved,
        Closing::Dismissed,
        Closing::Protocol,
        Closing::Idle,
        Closing::Stalled,
        Closing::Stopping,
        Closing::Starting,
        Closing::Full,
        Closing::AddressFull,
        Closing::AddressHalfOpen,
        Closing::System,
    ];

    /// The name in metrics and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Closing::Left => "left",
            Closing::Gone => "gone",
            Closing::NoUpgrade => "no_upgrade",
            Closing::Tls => "tls",
            Closing::Late => "late",
            Closing::LoginRefused => "login_refused",
            Closing::KeyConnections => "key_connections",
            Closing::Displaced => "displaced",
            Closing::KeyRemoved => "key_removed",
            Closing::Dismissed => "dismissed",
            Closing::Protocol => "protocol",
            Closing::Idle => "idle",
            Closing::Stalled => "stalled",
            Closing::Stopping => "stopping",
            Closing::Starting => "starting",
            Closing::Full => "full",
            Closing::AddressFull => "address_full",
            Closing::AddressHalfOpen => "address_half_open",
            Closing::System => "system",
        }
    }

    /// Why a connection ends that is told this Error last.
    pub fn of(reason: Reason) -> Closing {
        match reason {
            Reason::AuthTimeout { .. } => Closing::Late,
            Reason::KeyRemoved => Closing::KeyRemoved,
            Reason::KeyConnections { .. } => Closing::KeyConnections,
            Reason::ShuttingDown => Closing::Stopping,
            Reason::NotAuthenticated | Reason::BadLogin | Reason::KeyNotAllowed => Closing::LoginRefused,
            _ => Closing::Protocol,
        }
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many connections ended for each reason.
#[derive(Debug, Default)]
pub struct Closings([Count; Closing::ALL.len()]);

impl Closings {
    /// Counts one.
    pub fn add(&self, closing: Closing) {
        self.0[closing as usize].add(1);
    }

    /// How many there were.
    pub fn get(&self, closing: Closing) -> u64 {
        self.0[closing as usize].get()
    }
}

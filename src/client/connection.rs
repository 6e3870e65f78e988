//! One logged-in connection: whole messages in and out.
//!
//! Everything here may be cancelled: a cancelled [`Connection::receive`] loses no message; a
//! cancelled send may have sent its message or not.

use super::{Client, KeyPair, Roots};
use crate::base::Reason;
use crate::wire::{ClientMessage, RelayMessage};
use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt};
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

/// Connect and login together. A relay drops logins after 10 s; more would only hide a fault.
const OPEN_MS_MAX: u64 = 10_000;
/// A relay pings every 30 s; after three missed pings it is gone.
const SILENCE_MS_MAX: u64 = 90_000;
/// One message of the relay: above every sensible `message_bytes_max` it may be configured to.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error(
        "{url}: not a usable relay address ({why}); it looks like ws://127.0.0.1:7447 or wss://relay.example"
    )]
    Url { url: String, why: String },
    #[error("{url}: {source}; is the relay running? Start one with `axon serve`, or give --url")]
    Unreachable { url: String, source: io::Error },
    #[error("{url}: its certificate is not trusted ({why}); give the authority's file with --ca")]
    Untrusted { url: String, why: String },
    #[error("{url}: no answer within {} s; is this the relay's address?", OPEN_MS_MAX / 1_000)]
    Timeout { url: String },
    #[error("{url}: the relay does not take connections now ({message}); try again soon")]
    Unavailable { url: String, message: String },
    #[error("{url}: {message} (code {code}){}", login_advice(message, pubkey))]
    LoginRefused { url: String, code: u16, message: String, pubkey: String },
    #[error("{url}: not an Axon relay: {what}")]
    NotARelay { url: String, what: String },
    #[error("{url}: {lost}")]
    Lost { url: String, lost: Lost },
}

impl ConnectError {
    /// What failed while connecting; TLS reports as I/O, too.
    pub(super) fn of_io(url: String, source: io::Error) -> ConnectError {
        let tls = source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => {
                ConnectError::Untrusted { url, why: format!("{why:?}") }
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                ConnectError::NotARelay { url, what: "it does not speak TLS; try ws://".to_owned() }
            }
            Some(other) => ConnectError::NotARelay { url, what: other.to_string() },
            None => ConnectError::Unreachable { url, source },
        }
    }

    /// Whether trying again later cannot help.
    pub fn is_final(&self) -> bool {
        use ConnectError::*;
        match self {
            Url { .. } | Untrusted { .. } | LoginRefused { .. } | NotARelay { .. } => true,
            Unreachable { .. } | Timeout { .. } | Unavailable { .. } | Lost { .. } => false,
        }
    }
}

/// The connection is over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("connection lost: {0}")]
pub struct Lost(pub String);

impl Lost {
    pub(super) fn malformed(reason: Reason) -> Lost {
        Lost(format!("the relay sent something that is not a message: {reason}"))
    }
}

impl From<tungstenite::Error> for Lost {
    fn from(error: tungstenite::Error) -> Lost {
        Lost(error.to_string())
    }
}

/// A logged-in connection.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
}

impl Connection {
    /// Connects to the client's url and logs in.
    pub(super) async fn open(client: &Client) -> Result<Self, ConnectError> {
        let url = &*client.url;
        let opening = async {
            let mut connection = Connection { socket: dial(url, &client.roots).await? };
            connection.log_in(url, &client.login_url, &client.key).await?;
            Ok(connection)
        };
        tokio::time::timeout(Duration::from_millis(OPEN_MS_MAX), opening)
            .await
            .unwrap_or_else(|_| Err(ConnectError::Timeout { url: url.to_owned() }))
    }

    async fn log_in(&mut self, url: &str, login_url: &str, key: &KeyPair) -> Result<(), ConnectError> {
        let lost = |lost| ConnectError::Lost { url: url.to_owned(), lost };
        let unexpected = |what: &str| ConnectError::NotARelay { url: url.to_owned(), what: what.to_owned() };
        let bytes = self.receive().await.map_err(lost)?;
        let nonce = match RelayMessage::parse(&bytes) {
            Ok(RelayMessage::Challenge { nonce }) => nonce,
            Ok(RelayMessage::Error { code, message }) => return Err(refusal(url, key, code, message)),
            _ => return Err(unexpected("its first message is not a challenge")),
        };
        let auth = ClientMessage::Auth { pubkey: key.pubkey(), sig: key.sign_login(&nonce, login_url) };
        self.send(&auth).await.map_err(lost)?;
        let bytes = self.receive().await.map_err(lost)?;
        match RelayMessage::parse(&bytes) {
            Ok(RelayMessage::Ok { .. }) => Ok(()),
            Ok(RelayMessage::Error { code, message }) => Err(refusal(url, key, code, message)),
            _ => Err(unexpected("its answer to a login is neither Ok nor Error")),
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn send(&mut self, message: &ClientMessage<'_>) -> Result<(), Lost> {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        self.send_bytes(bytes).await
    }

    /// Sends bytes as one binary message, whatever they are.
    ///
    /// # Errors
    /// The connection is over.
    pub async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), Lost> {
        Ok(self.socket.send(Message::binary(bytes)).await?)
    }

    /// The relay's next message, to be read with [`RelayMessage::parse`]. Pings are answered
    /// meanwhile.
    ///
    /// # Errors
    /// The connection is over, or was silent for longer than a living relay is.
    pub async fn receive(&mut self) -> Result<Bytes, Lost> {
        receive(&mut self.socket).await
    }

    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

/// The next binary message of a socket or of the reading half of one.
pub(super) async fn receive<S>(socket: &mut S) -> Result<Bytes, Lost>
where
    S: Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    let silence = Duration::from_millis(SILENCE_MS_MAX);
    loop {
        let next = tokio::time::timeout(silence, socket.next()).await;
        match next.map_err(|_| Lost(format!("the relay was silent for {} s", silence.as_secs())))? {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Text(_))) => return Err(Lost("the relay sent text".to_owned())),
            Some(Ok(Message::Close(frame))) => {
                let code =
                    frame.map_or_else(String::new, |frame| format!(" (code {})", u16::from(frame.code)));
                return Err(Lost(format!("the relay closed it{code}")));
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Err(Lost("it ended".to_owned())),
        }
    }
}

async fn dial(url: &str, roots: &Roots) -> Result<Socket, ConnectError> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    // Publishes gather in tungstenite's buffer; what is flushed should leave at once.
    let disable_nagle = true;
    let tls = Connector::Rustls(roots.config());
    match connect_async_tls_with_config(url, Some(config), disable_nagle, Some(tls)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(dial_error(url.to_owned(), error)),
    }
}

fn dial_error(url: String, error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Io(source) => ConnectError::of_io(url, source),
        tungstenite::Error::Url(why) => ConnectError::Url { url, why: why.to_string() },
        tungstenite::Error::HttpFormat(why) => ConnectError::Url { url, why: why.to_string() },
        tungstenite::Error::Http(response) if response.status().is_server_error() => {
            ConnectError::Unavailable { url, message: format!("HTTP {}", response.status()) }
        }
        other => ConnectError::NotARelay { url, what: other.to_string() },
    }
}

/// What may help against a refused login.
fn login_advice(message: &str, pubkey: &str) -> String {
    if message == Reason::KeyNotAllowed.to_string() {
        format!("; on the relay's machine: axon allow add {pubkey}")
    } else if message == Reason::BadLogin.to_string() {
        "; the url must be one of the relay's `urls`, to the letter".to_owned()
    } else {
        String::new()
    }
}

/// What an Error before the login is done means.
fn refusal(url: &str, key: &KeyPair, code: u16, message: &str) -> ConnectError {
    let (url, message) = (url.to_owned(), message.to_owned());
    match code {
        429 | 503 => ConnectError::Unavailable { url, message },
        _ => ConnectError::LoginRefused { url, code, message, pubkey: key.pubkey().to_hex() },
    }
}

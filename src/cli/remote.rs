//! `--at`: a relay elsewhere, asked over HTTP by an admin's key. The commands are the same.

use super::admin::{Administrator, AllowedKey, Operator, OperatorError, Role, Settings};
use super::args::DEFAULT_URL;
use super::keygen::load_key;
use crate::base::admin::{AdminProof, AdminRequest};
use crate::base::{Clock, KeyLimit, KeyOverrides, PubKey};
use crate::client::KeyPair;
use clap::{Args, ValueEnum as _};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ELSEWHERE: &str = "A relay of another machine";

/// A relay of another machine, for the commands that take it.
#[derive(Debug, Args)]
pub(super) struct Elsewhere {
    /// Act on the relay with this HTTP address as one of its admins (its http.admin must be on)
    #[arg(long, global = true, help_heading = ELSEWHERE, value_name = "http://HOST:PORT")]
    at: Option<String>,
    /// With --at: what that relay is called in logins
    #[arg(long, global = true, help_heading = ELSEWHERE, value_name = "URL", default_value = DEFAULT_URL, env = "AXON_URL")]
    relay_url: String,
    /// With --at: the admin's private key (PKCS#8 PEM) [default: as --key of axon pub]
    #[arg(long, global = true, help_heading = ELSEWHERE, value_name = "FILE", env = "AXON_KEY")]
    admin_key: Option<PathBuf>,
}

impl Elsewhere {
    /// The relay that `--at` names, if it does.
    pub(super) fn remote(&self) -> Result<Option<Remote>, super::Failure> {
        let Some(http) = self.at.clone() else { return Ok(None) };
        Ok(Some(Remote { http, url: self.relay_url.clone(), key: load_key(self.admin_key.as_deref())? }))
    }
}

/// Who is asked: the relay elsewhere if one was named, else that of this machine.
pub(super) fn administrator<'a>(remote: &'a Option<Remote>, here: &'a dyn Operator) -> &'a dyn Administrator {
    match remote {
        Some(remote) => remote,
        None => here,
    }
}

/// Bytes of an answer: an allowlist of some 100 000 keys.
const ANSWER_BYTES_MAX: u64 = 32 << 20;

/// A change of a key waits for the commits before it; longer than this the relay is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A relay that is reached by its HTTP address alone.
pub(super) struct Remote {
    /// `http://HOST:PORT`
    pub(super) http: String,
    /// What the relay is called in logins.
    pub(super) url: String,
    pub(super) key: KeyPair,
}

impl Remote {
    /// Asks, signed; the answer's body, which may be empty.
    fn ask(
        &self,
        method: &str,
        target: &str,
        body: &str,
    ) -> Result<Result<Value, (u16, String)>, OperatorError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let answer =
            runtime.block_on(async { timeout(ANSWER_TIMEOUT, self.exchange(method, target, body)).await });
        let answer = answer.map_err(|_| failed(format!("{}: no answer", self.http)))?;
        let (status, body) = answer.map_err(|error| failed(format!("{}: {error}", self.http)))?;
        let value: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(Ok(value));
        }
        let why = value["error"].as_str().unwrap_or("is http.admin on, and is this its http.listen?");
        Ok(Err((status, format!("{} answers {status}: {why}", self.http))))
    }

    fn done(&self, method: &str, target: &str, body: &str) -> Result<Value, OperatorError> {
        self.ask(method, target, body)?.map_err(|(_, why)| OperatorError(why))
    }

    async fn exchange(
        &self,
        method: &str,
        target: &str,
        body: &str,
    ) -> Result<(u16, String), super::Failure> {
        let host = self.http.strip_prefix("http://").ok_or("must be http://HOST:PORT")?.trim_end_matches('/');
        let unix_seconds = Clock::new().unix_seconds();
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(|error| format!("no random numbers: {error}"))?;
        let request = AdminRequest { url: &self.url, method, target, body: body.as_bytes() };
        let sig = self.key.sign_admin(&request, unix_seconds, &nonce);
        let proof = AdminProof { pubkey: self.key.pubkey(), unix_seconds, nonce, sig };
        let mut stream = TcpStream::connect(host).await?;
        // HTTP/1.0, so that the answer comes whole and ends with the connection.
        let head = format!(
            "{method} /admin{target} HTTP/1.0\r\nHost: {host}\r\nAuthorization: {proof}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("the answer is not HTTP")?;
        let status =
            head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("the answer is not HTTP")?;
        Ok((status, body.to_owned()))
    }
}

impl Administrator for Remote {
    fn keys(&self, _: &Settings) -> Result<Vec<AllowedKey>, OperatorError> {
        let keys = self.done("GET", "/keys", "")?;
        let keys = keys.as_array().into_iter().flatten().map(read_key).collect::<Option<Vec<_>>>();
        keys.ok_or_else(|| failed("the answer is no allowlist"))
    }

    fn allow(&self, _: &Settings, key: &AllowedKey) -> Result<(), OperatorError> {
        let role = key.role.to_possible_value().map_or_else(String::new, |role| role.get_name().to_owned());
        let limits: Map<String, Value> =
            key.limits.iter().map(|(limit, n)| (limit.name().to_owned(), n.into())).collect();
        let entry =
            json!({ "pubkey": key.pubkey.to_hex(), "role": role, "name": key.name, "limits": limits });
        self.done("POST", "/keys", &entry.to_string()).map(drop)
    }

    fn disallow(&self, _: &Settings, pubkey: &PubKey) -> Result<bool, OperatorError> {
        match self.ask("DELETE", &format!("/keys/{pubkey}"), "")? {
            Ok(_) => Ok(true),
            Err((404, _)) => Ok(false),
            Err((_, why)) => Err(OperatorError(why)),
        }
    }

    fn connections(&self, _: &Settings, key: Option<&PubKey>) -> Result<Value, OperatorError> {
        let target = key.map_or_else(|| "/connections".to_owned(), |key| format!("/connections/{key}"));
        self.done("GET", &target, "")
    }

    fn disconnect(&self, _: &Settings, id: &str) -> Result<Option<Value>, OperatorError> {
        match self.ask("DELETE", &format!("/connections/{id}"), "")? {
            Ok(whose) => Ok(Some(whose)),
            Err((404, _)) => Ok(None),
            Err((_, why)) => Err(OperatorError(why)),
        }
    }

    fn reload(&self, _: &Settings) -> Result<Value, OperatorError> {
        self.done("POST", "/reload", "")
    }

    fn info(&self, _: &Settings) -> Result<Value, OperatorError> {
        self.done("GET", "/info", "")
    }
}

fn failed(error: impl std::fmt::Display) -> OperatorError {
    OperatorError(error.to_string())
}

fn read_key(value: &Value) -> Option<AllowedKey> {
    let mut limits = KeyOverrides::default();
    for (name, n) in value["limits"].as_object()? {
        limits.set(KeyLimit::from_name(name)?, n.as_u64()?);
    }
    Some(AllowedKey {
        pubkey: PubKey::from_hex(value["pubkey"].as_str()?)?,
        role: Role::from_str(value["role"].as_str()?, false).ok()?,
        name: value["name"].as_str()?.to_owned(),
        limits,
    })
}

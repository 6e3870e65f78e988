//! A double of the services outside: answers by path, and remembers what it was asked.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

type Answers = Arc<Mutex<HashMap<String, (u16, String)>>>;

pub struct Double {
    pub base: String,
    answers: Answers,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Double {
    pub fn start() -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let double = Double { base, answers: Arc::default(), asked: Arc::default() };
        let (answers, asked) = (Arc::clone(&double.answers), Arc::clone(&double.asked));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read(&stream);
                let found = answers.lock().expect("the answers").get(&request.0).cloned();
                let (status, body) = found.unwrap_or((404, String::new()));
                asked.lock().expect("the list").push(request);
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        double
    }

    /// What a path (without its query) is answered with.
    pub fn answers(&self, path: &str, status: u16, body: impl ToString) {
        self.answers.lock().expect("the answers").insert(path.to_owned(), (status, body.to_string()));
    }

    /// Bodies that were sent to a path, and how often it was asked.
    pub fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().expect("the list");
        asked.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }

    /// The price of a BCH.
    pub fn price(&self, usd: Value) {
        self.answers("/api/v3/simple/price", 200, json!({"bitcoin-cash": {"usd": usd}}));
    }

    /// A confirmed transaction with these outputs: address and satoshi.
    pub fn transaction(&self, id: &str, outputs: &[(&str, i64)]) {
        let output = |(index, (to, value)): (usize, &(&str, i64))| json!({"index": index, "recipient": to, "value": value, "script_hex": "76a914"});
        self.transaction_of(id, 800_000, outputs.iter().enumerate().map(output).collect());
    }

    pub fn transaction_of(&self, id: &str, block: i64, outputs: Vec<Value>) {
        let body = json!({"data": {id: {"transaction": {"block_id": block}, "outputs": outputs}}});
        self.answers(&format!("/bitcoin-cash/dashboards/transaction/{id}"), 200, body);
    }
}

/// Path and body.
fn read(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if path.is_empty() {
            let target = line.split(' ').nth(1).unwrap_or_default();
            path = target.split('?').next().unwrap_or_default().to_owned();
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    // A body that breaks off is an empty one.
    let _ = reader.read_exact(&mut body);
    (path, String::from_utf8_lossy(&body).into_owned())
}

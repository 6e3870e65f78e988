//! A double of the service that looks tweets up.

use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers every request with the status and body that are set.
pub struct Double {
    pub base: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Double {
    pub fn start() -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let answer = Arc::new(Mutex::new((200, String::new())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (given, seen) = (Arc::clone(&answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                seen.lock().expect("the list").extend(lines.next());
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let (status, body) = given.lock().expect("the answer").clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        Double { base, answer, asked }
    }

    pub fn answers(&self, status: u16, html: &str, handle: &str) {
        let url = format!("https://twitter.com/{handle}");
        let body = json!({"html": html, "author_url": url, "url": format!("{url}/status/1")});
        *self.answer.lock().expect("the answer") = (status, body.to_string());
    }

    /// The last request's first line.
    pub fn asked(&self) -> String {
        self.asked.lock().expect("the list").pop().expect("a request")
    }
}

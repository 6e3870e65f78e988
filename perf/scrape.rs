//! What the relay says of itself on `/metrics`, read as `axon top` reads it.

use crate::failure::{Doing, Failure, Result};
use axon::cli::Exposition;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A relay of this machine answers in milliseconds, also under load.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer: some 20 kB per shard.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// One scrape of the HTTP side at `address`.
///
/// # Errors
/// Nobody answers there, or not with metrics.
pub fn scrape(address: SocketAddr) -> Result<Exposition> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).doing("connecting for /metrics")?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).doing("SO_RCVTIMEO")?;
    // HTTP/1.0, so that the answer comes whole and ends with the connection.
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).doing("asking for /metrics")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).doing("reading /metrics")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    body.parse().map_err(|error| Failure::Protocol(format!("http://{address}/metrics: {error}")))
}

/// How much each number has grown, summed over its labels; histograms by `_sum` and `_count`.
pub fn growth(before: &Exposition, after: &Exposition) -> BTreeMap<String, f64> {
    let mut out = BTreeMap::new();
    for (told, sign) in [(after, 1.0), (before, -1.0)] {
        for sample in told.samples().filter(|sample| !sample.name.ends_with("_bucket")) {
            *out.entry(sample.name.clone()).or_insert(0.0) += sign * sample.value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_buckets_left_out() {
        let before = "a_total{shard=\"0\"} 3\nb_sum 2\n# EOF".parse().unwrap();
        let after = "a_total{shard=\"0\"} 4\na_total{shard=\"1\"} 4.5\nb_bucket{le=\"1\"} 9\nb_sum 2\nb_count 1\n# EOF";
        let grown = growth(&before, &after.parse().unwrap());
        let grown: Vec<_> = grown.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(grown, [("a_total", 5.5), ("b_count", 1.0), ("b_sum", 0.0)]);
    }
}

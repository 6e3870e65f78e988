//! The relay's own counters, from its `/metrics`: how many batches, commits and writes stand
//! behind a CPU figure.

use crate::failure::{Doing, Failure, Result};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer larger than this is not the relay's: 64 shards say less than 1 MiB.
const ANSWER_BYTES_MAX: u64 = 8 << 20;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Every number by its name, summed over its labels; histograms by `_sum` and `_count`.
#[derive(Debug, Clone, Default)]
pub struct Counters(BTreeMap<String, f64>);

impl Counters {
    /// Asks the relay.
    ///
    /// # Errors
    /// It does not answer, or not with metrics.
    pub fn scrape(address: SocketAddr) -> Result<Counters> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).doing("asking for /metrics")?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).doing("SO_RCVTIMEO")?;
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).doing("asking for /metrics")?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).doing("reading /metrics")?;
        if !answer.starts_with("HTTP/1.") || !answer.trim_end().ends_with("# EOF") {
            return Err(Failure::Protocol("/metrics is not what a relay answers".to_owned()));
        }
        Ok(Counters::read(&answer))
    }

    fn read(text: &str) -> Counters {
        let mut sums = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.split_once(['{', ' ']) else { continue };
            // Labels hold no spaces here; the value is the last word.
            let Some(value) = value.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok()) else {
                continue;
            };
            if !name.ends_with("_bucket") {
                *sums.entry(name.to_owned()).or_insert(0.0) += value;
            }
        }
        Counters(sums)
    }

    /// The number of that name; 0 if the relay has none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// How much each has grown since.
    pub fn since(&self, earlier: &Counters) -> BTreeMap<String, f64> {
        self.0.iter().map(|(name, value)| (name.clone(), value - earlier.get(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_buckets_left_out() {
        let text = "HTTP/1.0 200 OK\r\ncontent-type: text\r\n\r\n# TYPE a counter\na_total{shard=\"0\"} 3\n\
            a_total{shard=\"1\"} 4.5\nb_bucket{le=\"1\"} 9\nb_sum 2\nb_count 1\n# EOF\n";
        let counters = Counters::read(text);
        assert_eq!(
            (counters.get("a_total"), counters.get("b_sum"), counters.get("b_bucket")),
            (7.5, 2.0, 0.0)
        );
        let grown = counters.since(&Counters::read("a_total{shard=\"0\"} 7\n"));
        assert_eq!((grown["a_total"], grown["b_count"]), (0.5, 1.0));
    }
}

//! `axon export` and `axon import`: events to and from a stream, byte for byte.
//!
//! Two formats. Length-prefixed: for each event its length, u32 big-endian, and the bytes of its
//! map. JSON lines: an object for each event, whose `wire` is those bytes in base64; the other
//! fields are for people. Which of the two a stream is shows in its first byte.

use super::config::Config;
use super::import::Import;
use super::local::{ask, error, load, stopped_store};
use super::upkeep::with_files;
use super::{filters, options};
use crate::base::limits::{IMPORT_BATCH_BYTES_MAX, IMPORT_BATCH_EVENTS_MAX};
use crate::base::{EventId, Seq};
use crate::cli::{Export, ImportStream, OperatorError, Progress, Settings};
use crate::event::{EventView, scan_id};
use crate::store::{self, Behind};
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, Write};
use std::path::Path;
use std::sync::Arc;

/// One event of a stream: the largest message a relay can be told to take.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// A line of JSON with it: base64 takes a third more, and the readable fields repeat it.
const LINE_BYTES_MAX: u64 = 4 * EVENT_BYTES_MAX as u64;

/// The first byte of a stream of JSON lines; the other begins with a length far below it.
const JSON_BEGIN: u8 = b'{';

/// Refusals that an import tells one by one.
const REFUSALS_TOLD_MAX: usize = 100;

pub(super) fn export(
    settings: &Settings,
    what: &Export,
    out: &mut dyn Write,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    let filter = filters::normal(&what.filter)?;
    let options = options::store(&config);
    let Some(path) = &what.file else {
        let behind = Behind::Seq(what.after.unwrap_or_default());
        let run = |dir: &Path| write_events(&options, dir, &filter, behind, what.json_lines, out, progress);
        return with_files(&config, run)?.map_err(error);
    };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.as_mut().map_err(|source| OperatorError(format!("{}: {source}", path.display())))?;
    let named = |what: String| OperatorError(format!("{}: {what}", path.display()));
    let last = resume(file, what.json_lines).map_err(|source| named(source.to_string()))?;
    let behind = match (what.after, last) {
        (None, Some(id)) => Behind::Event(id),
        (after, _) => Behind::Seq(after.unwrap_or_default()),
    };
    let mut out = BufWriter::with_capacity(1 << 20, &*file);
    let run = |dir: &Path| write_events(&options, dir, &filter, behind, what.json_lines, &mut out, progress);
    let report = with_files(&config, run)?.map_err(error)?;
    drop(out);
    file.sync_all().map_err(|source| named(source.to_string()))?;
    Ok(report)
}

/// Puts a file's end behind its last whole event, and says which that is.
fn resume(file: &mut File, json_lines: bool) -> io::Result<Option<EventId>> {
    let mut events = Events::new(Box::new(BufReader::with_capacity(1 << 20, &*file)))?;
    let (mut last, mut end) = (None, 0);
    if events.json_lines.is_some_and(|found| found != json_lines) {
        return Err(io::Error::other("holds events in the other format (--format)"));
    }
    loop {
        match events.next() {
            Ok(Some(wire)) => (last, end) = (scan_id(&wire), events.read),
            Ok(None) => break,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    drop(events);
    file.set_len(end)?;
    file.seek(io::SeekFrom::End(0))?;
    Ok(last)
}

fn write_events(
    options: &store::StoreOptions,
    dir: &Path,
    filter: &crate::filter::Filter,
    behind: Behind,
    json_lines: bool,
    out: &mut dyn Write,
    progress: &Progress<'_>,
) -> Result<Result<Value, io::Error>, store::StoreError> {
    let mut failed = None;
    let mut visit = |seq: Seq, event: &EventView<'_>, wire: &[u8]| {
        let written = if json_lines { put_line(out, seq, event, wire) } else { put_event(out, wire) };
        failed = written.err();
        failed.is_none()
    };
    let report = store::export(options, dir, filter, behind, &mut visit, progress)?;
    let done = failed.map_or_else(|| out.flush(), Err);
    Ok(done.map(|()| {
        json!({
            "log_id": report.log_id.to_hex(),
            "position": report.position.0,
            "events": report.events,
            "bytes": report.bytes,
        })
    }))
}

fn put_event(out: &mut dyn Write, wire: &[u8]) -> io::Result<()> {
    // Stored events are far below 4 GiB.
    out.write_all(&(wire.len() as u32).to_be_bytes())?;
    out.write_all(wire)
}

fn put_line(out: &mut dyn Write, seq: Seq, event: &EventView<'_>, wire: &[u8]) -> io::Result<()> {
    let tags: Vec<Value> = event
        .tags
        .iter()
        .map(|tag| std::iter::once(tag.name).chain(tag.values.iter().copied()).collect())
        .collect();
    let line = json!({
        "seq": seq.0,
        "id": event.id.to_hex(),
        "pubkey": event.pubkey.to_hex(),
        "created_at": event.created_at,
        "kind": event.kind.0,
        "tags": tags,
        "content": std::str::from_utf8(event.content).ok(),
        "wire": Base64::encode_string(wire),
    });
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

pub(super) fn import(
    settings: &Settings,
    stream: ImportStream<'_>,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    let target = Target::find(&config)?;
    let ImportStream { input, bytes_total, skip } = stream;
    let mut events = Events::new(input).map_err(error)?;
    let mut sum = Sum { taken: skip, ..Sum::default() };
    for _ in 0..skip {
        if events.next().map_err(error)?.is_none() {
            break;
        }
    }
    loop {
        let (batch, count, end) = events.batch();
        if count > 0 {
            let told = target.take(&batch).map_err(|why| sum.stopped(&why.0))?;
            sum.add(&told, count);
            progress(events.read, bytes_total.max(events.read));
        }
        match end {
            Some(Ok(())) => return Ok(sum.json()),
            Some(Err(why)) => return Err(sum.stopped(&why.to_string())),
            None => {}
        }
    }
}

/// Where events go.
enum Target {
    Running(Box<Config>),
    Stopped(Import),
}

impl Target {
    fn find(config: &Config) -> Result<Target, OperatorError> {
        if ask(config, async |control| control.info().await)?.is_some() {
            return Ok(Target::Running(Box::new(config.clone())));
        }
        let store = Arc::new(stopped_store(config)?);
        Ok(Target::Stopped(Import::new(store, config.limits.content_bytes_max)))
    }

    fn take(&self, batch: &[u8]) -> Result<Value, OperatorError> {
        match self {
            Target::Stopped(import) => import.take(batch).map_err(OperatorError),
            Target::Running(config) => ask(config, async |control| control.import(batch.to_vec()).await)?
                .ok_or_else(|| OperatorError("the relay has ended".to_owned())),
        }
    }
}

/// What has become of the events so far.
#[derive(Default)]
struct Sum {
    taken: u64,
    counts: [u64; 4],
    refusals: Vec<Value>,
}

const COUNTS: [&str; 4] = ["stored", "duplicates", "deleted", "refused"];

impl Sum {
    fn add(&mut self, told: &Value, count: u64) {
        for (sum, name) in self.counts.iter_mut().zip(COUNTS) {
            *sum += told[name].as_u64().unwrap_or(0);
        }
        let room = REFUSALS_TOLD_MAX - self.refusals.len();
        for refusal in told["refusals"].as_array().into_iter().flatten().take(room) {
            let at = self.taken + refusal["at"].as_u64().unwrap_or(0) + 1;
            let id = refusal["id"].as_str().unwrap_or("without an id");
            let why = refusal["why"].as_str().unwrap_or_default();
            self.refusals.push(format!("event {at}, {id}: {why}").into());
        }
        self.taken += count;
    }

    fn stopped(&self, why: &str) -> OperatorError {
        let [stored, ..] = self.counts;
        OperatorError(format!(
            "{why}: {} events were taken, {stored} of them stored; go on with --skip {} (or again from the start: \
             what is there already is no harm)",
            self.taken, self.taken
        ))
    }

    fn json(&self) -> Value {
        let mut json = json!({ "events": self.taken });
        COUNTS.iter().zip(self.counts).for_each(|(name, n)| json[*name] = n.into());
        json["refusals"] = self.refusals.clone().into();
        json
    }
}

/// The events of a stream, one after the other.
struct Events<'a> {
    input: Box<dyn BufRead + 'a>,
    /// `None`: the stream is empty.
    json_lines: Option<bool>,
    /// Bytes read, with the last whole event.
    read: u64,
    line: String,
    /// Read, and too much for the last batch.
    ahead: Option<Vec<u8>>,
}

impl<'a> Events<'a> {
    fn new(mut input: Box<dyn BufRead + 'a>) -> io::Result<Self> {
        let first = input.fill_buf()?.first().copied();
        let json_lines = first.map(|byte| byte == JSON_BEGIN);
        Ok(Events { input, json_lines, read: 0, line: String::new(), ahead: None })
    }

    /// The next event's bytes; `UnexpectedEof` if the stream ends in the middle of it.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.json_lines {
            None => Ok(None),
            Some(true) => self.next_line(),
            Some(false) => self.next_prefixed(),
        }
    }

    fn next_prefixed(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut len = [0; 4];
        self.input.read_exact(&mut len).map_err(cut_off)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > EVENT_BYTES_MAX {
            return Err(io::Error::other(format!(
                "an event of {len} bytes at byte {}: this is no export, or it is damaged there",
                self.read
            )));
        }
        // No more is set aside than what comes.
        let mut wire = Vec::new();
        if self.input.by_ref().take(len as u64).read_to_end(&mut wire)? < len {
            return Err(cut_off(ErrorKind::UnexpectedEof.into()));
        }
        self.read += 4 + len as u64;
        Ok(Some(wire))
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.line.clear();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_line(&mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if !self.line.ends_with('\n') {
            return Err(cut_off(ErrorKind::UnexpectedEof.into()));
        }
        let json: Option<Value> = serde_json::from_str(&self.line).ok();
        let wire = json.as_ref().and_then(|json| Base64::decode_vec(json["wire"].as_str()?).ok());
        let wire = wire.ok_or_else(|| {
            io::Error::other(format!("the line at byte {} has no `wire` in base64", self.read))
        })?;
        self.read += read as u64;
        Ok(Some(wire))
    }

    /// As many events as one batch holds, length-prefixed, and their number; and how the stream
    /// has ended, if it has.
    fn batch(&mut self) -> (Vec<u8>, u64, Option<io::Result<()>>) {
        let (mut batch, mut count) = (Vec::new(), 0);
        while count < IMPORT_BATCH_EVENTS_MAX {
            let next = self.ahead.take().map_or_else(|| self.next(), |wire| Ok(Some(wire)));
            let wire = match next {
                Ok(Some(wire)) => wire,
                Ok(None) => return (batch, count as u64, Some(Ok(()))),
                Err(error) => return (batch, count as u64, Some(Err(error))),
            };
            if count > 0 && batch.len() + 4 + wire.len() > IMPORT_BATCH_BYTES_MAX {
                self.ahead = Some(wire);
                break;
            }
            batch.extend_from_slice(&(wire.len() as u32).to_be_bytes());
            batch.extend_from_slice(&wire);
            count += 1;
        }
        (batch, count as u64, None)
    }
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => {
            io::Error::new(ErrorKind::UnexpectedEof, "the stream ends in the middle of an event")
        }
        _ => error,
    }
}

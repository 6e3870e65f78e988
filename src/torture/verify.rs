//! The store read back through the relay, and compared with our own record.

use super::Broken;
use super::load::{AUTHORS, History, TOPICS, kind};
use super::record::{Fate, Record, hash};
use crate::base::{EventId, PubKey, Seq};
use crate::client::{Client, Delivery, Filter, TagFilter, Update};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::time::timeout;

/// Whoever waits longer for the next event waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// One stored event, as far as the comparison needs it.
struct Row {
    seq: Seq,
    id: EventId,
    author: u8,
    topic: String,
}

/// Everything stored behind `after`.
pub(super) struct Readback {
    after: Seq,
    rows: Vec<Row>,
}

impl Readback {
    /// The last position; `after` if nothing is behind it.
    pub(super) fn head(&self) -> Seq {
        self.rows.last().map_or(self.after, |row| row.seq)
    }

    /// How many events were read.
    pub(super) fn events(&self) -> u64 {
        self.rows.len() as u64
    }
}

/// Reads the log behind `after`: no gap, nothing invented, nothing changed, nothing twice,
/// nothing that was refused, and everything that was answered.
pub(super) async fn log(client: &Client, record: &Record, after: Seq) -> Result<Readback, Broken> {
    let filter = Filter { after: Some(after.0), ..Filter::default() };
    if after == Seq::ZERO {
        record.lock().values_mut().for_each(|sent| sent.seq = 0);
    }
    let mut rows = Vec::new();
    let mut expected = after;
    read(client, filter, |delivery| {
        expected = expected.next();
        let seq = delivery.position.ok_or("a stored event without a position")?.seq;
        if seq != expected {
            return Err(format!("position {seq} where {expected} was due"));
        }
        let event = &delivery.event;
        let mut record = record.lock();
        let sent = record.get_mut(&event.id).ok_or(format!("{} at {seq} was never sent", event.id))?;
        if sent.bytes != hash(&event.wire) {
            return Err(format!("{} at {seq} has other bytes than those sent", event.id));
        }
        if sent.fate == Fate::Refused {
            return Err(format!("{} at {seq} was refused", event.id));
        }
        if sent.seq != 0 {
            return Err(format!("{} is at {} and again at {seq}", event.id, sent.seq));
        }
        sent.seq = seq.0;
        let topic = event.tag("t").unwrap_or_default().to_owned();
        rows.push(Row { seq, id: event.id, author: sent.author, topic });
        Ok(())
    })
    .await?;
    let record = record.lock();
    let lost = record.iter().find(|(_, sent)| sent.fate == Fate::Stored && sent.seq == 0);
    match lost {
        Some((id, sent)) => Err(format!("{id} of author {} was answered and is not there", sent.author)),
        None => Ok(Readback { after, rows }),
    }
}

/// Every index finds exactly the events it must.
pub(super) async fn indexes(client: &Client, keys: &[PubKey], readback: &Readback) -> Result<u64, Broken> {
    let mut events = 0;
    for author in 0..AUTHORS {
        let by_kind = Filter { kinds: vec![kind(author)], ..Filter::default() };
        let by_author = Filter { authors: vec![keys[usize::from(author)]], ..Filter::default() };
        let by_both = Filter { kinds: vec![kind(author)], ..by_author.clone() };
        for filter in [by_kind, by_author, by_both] {
            events += index(client, filter, readback, |row| row.author == author).await?;
        }
    }
    for topic in (0..TOPICS).map(|topic| format!("x{topic}")) {
        let tags = vec![TagFilter { name: "t".to_owned(), values: vec![topic.clone()] }];
        let filter = Filter { tags, ..Filter::default() };
        events += index(client, filter, readback, |row| row.topic == topic).await?;
    }
    // The ids, by a sample that is spread over all of it.
    let ids: Vec<EventId> =
        readback.rows.iter().step_by(readback.rows.len() / 256 + 1).map(|row| row.id).collect();
    if !ids.is_empty() {
        let wanted = ids.clone();
        let filter = Filter { ids, ..Filter::default() };
        events += index(client, filter, readback, |row| wanted.contains(&row.id)).await?;
    }
    Ok(events)
}

async fn index(
    client: &Client,
    filter: Filter,
    readback: &Readback,
    belongs: impl Fn(&Row) -> bool,
) -> Result<u64, Broken> {
    let filter = Filter { after: Some(readback.after.0), ..filter };
    let told = format!("{filter:?}");
    let mut expected = readback.rows.iter().filter(|row| belongs(row));
    let mut events = 0;
    read(client, filter, |delivery| {
        events += 1;
        match expected.next() {
            Some(row) if row.id == delivery.event.id => Ok(()),
            Some(row) => Err(format!("{told} finds {} where {} is due", delivery.event.id, row.id)),
            None => Err(format!("{told} finds {} too many", delivery.event.id)),
        }
    })
    .await?;
    match expected.next() {
        Some(row) => Err(format!("{told} does not find {} at {}", row.id, row.seq)),
        None => Ok(events),
    }
}

/// Every subscriber has been given what is behind `after`, in order.
pub(super) async fn histories(histories: &[History], readback: &Readback) -> Result<(), Broken> {
    for (number, history) in histories.iter().enumerate() {
        let reached = async {
            while history.lock().await.len() < readback.head().0 as usize {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            let len = history.lock().await.len();
            return Err(format!("subscriber {number} has {len} events of {}", readback.head()));
        }
        let history = history.lock().await;
        let wrong = readback.rows.iter().find(|row| history[row.seq.0 as usize - 1] != (row.seq, row.id));
        if let Some(row) = wrong {
            return Err(format!("subscriber {number} was given another event at {}", row.seq));
        }
    }
    Ok(())
}

async fn read(
    client: &Client,
    filter: Filter,
    mut on: impl FnMut(&Delivery) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut updates = client.query(filter);
    loop {
        match timeout(PATIENCE, updates.next()).await {
            Ok(Some(Ok(Update::Event(delivery)))) => on(&delivery)?,
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(format!("a query: {error}")),
            Ok(None) => return Ok(()),
            Err(_) => return Err(format!("a query without an answer for {} s", PATIENCE.as_secs())),
        }
    }
}

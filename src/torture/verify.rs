//! The store read back through the relay, as its clients see it.

use super::Broken;
use super::follow::History;
use super::judge::{Readback, Row, View};
use super::load::{TOPICS, topic};
use super::record::{Fate, Record};
use super::stretch::{AUTHORS, BYTES_MAX, COUNT_MAX, Stretch};
use crate::base::{EventId, PubKey, Seq};
use crate::client::{Client, Delivery, Filter, TagFilter, Update};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Whoever waits longer for the next event waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Retention has a minute to come to its rules on a relay at rest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSES_MAX: u32 = 3_000;

/// Ids of a stretch that are asked for by name.
const IDS: usize = 256;

/// Why a look has not come to its end.
pub(super) enum Trouble {
    /// What was asked for was purged meanwhile, up to here.
    Purged(Seq),
    Broken(Broken),
}

impl From<Broken> for Trouble {
    fn from(what: Broken) -> Trouble {
        Trouble::Broken(what)
    }
}

/// Who looks.
pub(super) struct Reader<'a> {
    pub(super) client: &'a Client,
    pub(super) keys: &'a [PubKey],
    pub(super) record: &'a Record,
    pub(super) look: u32,
}

impl Reader<'_> {
    /// Everything that is there: of what stays only what is behind `after`. `marks` are those of
    /// the stretches with a rule, as they were last time. With the number of events read.
    pub(super) async fn look(&self, after: Seq, marks: &mut [Seq; 2]) -> Result<(View, u64), Broken> {
        for _ in 0..PAUSES_MAX {
            match self.try_look(after, marks).await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) | Err(Trouble::Purged(_)) => sleep(PAUSE).await,
                Err(Trouble::Broken(what)) => return Err(what),
            }
        }
        Err(format!("events go on to come and to go for {PAUSES_MAX} looks, and nobody publishes"))
    }

    /// `None`: an event has still come in meanwhile.
    async fn try_look(&self, after: Seq, marks: &mut [Seq; 2]) -> Result<Option<(View, u64)>, Trouble> {
        let [counted, weighed] = marks;
        let counted = self.ruled(Stretch::Counted, counted).await?;
        let weighed = self.ruled(Stretch::Weighed, weighed).await?;
        let kept = self.stretch(Stretch::Kept, after).await?;
        if kept.head != counted.head || kept.head != weighed.head {
            return Ok(None);
        }
        let view = View { look: self.look, kept, ruled: [counted, weighed] };
        let mut events = 0;
        for readback in view.stretches() {
            events += readback.rows.len() as u64 + self.indexes(readback).await?;
        }
        Ok(Some((view, events)))
    }

    /// What a rule has left, as soon as it has done all it has to. At the mark all is there; below
    /// it whoever asks is told where it is; who asks for no position gets the same.
    async fn ruled(&self, stretch: Stretch, mark: &mut Seq) -> Result<Readback, Trouble> {
        for _ in 0..PAUSES_MAX {
            match self.stretch(stretch, *mark).await {
                Ok(readback) if !is_over(&readback) => {
                    self.below_the_mark(&readback).await?;
                    self.without_a_position(&readback).await?;
                    return Ok(readback);
                }
                Ok(_) => {}
                Err(Trouble::Purged(to)) if to > *mark => *mark = to,
                Err(Trouble::Purged(to)) => {
                    return Err(Trouble::Broken(format!(
                        "the mark of {stretch:?} has fallen from {mark} to {to}"
                    )));
                }
                Err(trouble) => return Err(trouble),
            }
            sleep(PAUSE).await;
        }
        Err(Trouble::Broken(format!("retention does not come to its rule of {stretch:?}")))
    }

    async fn below_the_mark(&self, readback: &Readback) -> Result<(), Trouble> {
        let Some(below) = readback.after.0.checked_sub(1) else { return Ok(()) };
        let filter = Filter { after: Some(below), ..readback.stretch.filter() };
        match self.read(filter, |_| Ok(())).await {
            Err(Trouble::Purged(mark)) if mark == readback.after => Ok(()),
            Err(Trouble::Purged(mark)) => Err(Trouble::Purged(mark)),
            Err(trouble) => Err(trouble),
            Ok(_) => Err(Trouble::Broken(format!(
                "a reader behind {below} is not told of the mark {}",
                readback.after
            ))),
        }
    }

    async fn without_a_position(&self, readback: &Readback) -> Result<(), Trouble> {
        self.finds(readback.stretch.filter(), readback, |_| true).await.map(drop)
    }

    /// Reads a stretch behind `after`.
    async fn stretch(&self, stretch: Stretch, after: Seq) -> Result<Readback, Trouble> {
        let mut rows = Vec::new();
        let filter = Filter { after: Some(after.0), ..stretch.filter() };
        let head = self.read(filter, |delivery| {
            let seq = delivery.position.ok_or("a stored event without a position")?.seq;
            let id = delivery.event.id;
            let sent = self.record.seen(self.look, seq, id, &delivery.event.wire)?;
            if sent.stretch() != stretch {
                return Err(format!("{id} at {seq} is none of {stretch:?}"));
            }
            let answered = sent.fate == Fate::Stored;
            rows.push(Row { seq, id, author: sent.author, number: sent.number, len: sent.len, answered });
            Ok(())
        });
        let head = head.await?.ok_or_else(|| "a query without the position of its end".to_owned())?;
        Ok(Readback { stretch, after, head, rows })
    }

    /// Every index finds exactly the events it must; how many they were.
    async fn indexes(&self, readback: &Readback) -> Result<u64, Trouble> {
        let stretch = readback.stretch;
        let behind = Filter { after: Some(readback.after.0), ..Filter::default() };
        let mut events = 0;
        for author in 0..AUTHORS {
            let (kinds, authors) = (vec![stretch.kind(author)], vec![self.keys[usize::from(author)]]);
            let by_kind = Filter { kinds: kinds.clone(), ..behind.clone() };
            // Of the kinds of the stretch, or retention would have a word to say.
            let by_author = Filter { authors: authors.clone(), after: behind.after, ..stretch.filter() };
            let by_both = Filter { kinds, authors, ..behind.clone() };
            for filter in [by_kind, by_author, by_both] {
                events += self.finds(filter, readback, |row| row.author == author).await?;
            }
        }
        for number in 0..TOPICS {
            let tags = vec![TagFilter { name: "t".to_owned(), values: vec![topic(number)] }];
            let filter = Filter { tags, after: behind.after, ..stretch.filter() };
            events += self.finds(filter, readback, |row| row.number % TOPICS == number).await?;
        }
        // The ids, by a sample that is spread over all of it.
        let step = readback.rows.len() / IDS + 1;
        let ids: Vec<EventId> = readback.rows.iter().step_by(step).map(|row| row.id).collect();
        if !ids.is_empty() {
            let wanted = ids.clone();
            let filter = Filter { ids, after: behind.after, ..stretch.filter() };
            events += self.finds(filter, readback, |row| wanted.contains(&row.id)).await?;
        }
        Ok(events)
    }

    /// The filter finds exactly those that belong to it, in order.
    async fn finds(
        &self,
        filter: Filter,
        readback: &Readback,
        belongs: impl Fn(&Row) -> bool,
    ) -> Result<u64, Trouble> {
        let told = format!("{filter:?}");
        let mut expected = readback.rows.iter().filter(|row| belongs(row));
        let mut events = 0;
        self.read(filter, |delivery| {
            events += 1;
            match expected.next() {
                Some(row) if row.id == delivery.event.id => Ok(()),
                Some(row) => Err(format!("{told} finds {} where {} is due", delivery.event.id, row.id)),
                None => Err(format!("{told} finds {} too many", delivery.event.id)),
            }
        })
        .await?;
        match expected.next() {
            Some(row) => Err(Trouble::Broken(format!("{told} does not find {} at {}", row.id, row.seq))),
            None => Ok(events),
        }
    }

    /// The end's position, if the filter asks for positions.
    async fn read(
        &self,
        filter: Filter,
        mut on: impl FnMut(&Delivery) -> Result<(), Broken>,
    ) -> Result<Option<Seq>, Trouble> {
        let mut updates = self.client.query(filter);
        let mut end = None;
        loop {
            match timeout(PATIENCE, updates.next()).await {
                Ok(Some(Ok(Update::Event(delivery)))) => on(&delivery)?,
                Ok(Some(Ok(Update::CaughtUp(position)))) => end = position.map(|position| position.seq),
                Ok(Some(Ok(Update::Retrying { .. }))) => {}
                Ok(Some(Err(error))) => match error.complete_behind() {
                    Some(mark) => return Err(Trouble::Purged(mark)),
                    None => return Err(Trouble::Broken(format!("a query: {error}"))),
                },
                Ok(None) => return Ok(end),
                Err(_) => {
                    let seconds = PATIENCE.as_secs();
                    return Err(Trouble::Broken(format!("a query without an answer for {seconds} s")));
                }
            }
        }
    }
}

/// Whether retention has still something to do.
fn is_over(readback: &Readback) -> bool {
    match readback.stretch {
        Stretch::Kept => false,
        Stretch::Counted => readback.rows.len() as u64 > COUNT_MAX,
        Stretch::Weighed => readback.bytes() > BYTES_MAX,
    }
}

/// Every subscriber was given what is there, in order.
pub(super) async fn histories(histories: &[History], view: &View) -> Result<(), Broken> {
    for (number, History { stretch, told }) in histories.iter().enumerate() {
        let last = view.of(*stretch).rows.last().map_or(Seq::ZERO, |row| row.seq);
        let reached = async {
            while told.lock().await.events.last().is_none_or(|(seq, _)| *seq < last) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if last > Seq::ZERO && timeout(PATIENCE, reached).await.is_err() {
            let at = told.lock().await.events.last().copied();
            return Err(format!("subscriber {number} of {stretch:?} stays at {at:?}, the last is at {last}"));
        }
        let told = told.lock().await;
        view.is_told(*stretch, &told)
            .map_err(|what| format!("subscriber {number} of {stretch:?}: {what}"))?;
    }
    let of = |wanted| histories.iter().find(|history| history.stretch == wanted);
    if let [Some(counted), Some(weighed)] = Stretch::RULED.map(of) {
        view.has_no_hole([&*counted.told.lock().await, &*weighed.told.lock().await])?;
    }
    Ok(())
}

//! `axon sub`, `axon query` and what `axon tail` shares with them

use super::args::{QueryFlags, SubFlags};
use super::output::{Line, Output, event_text};
use super::state::State;
use super::{Failure, Outcome};
use crate::base::Seq;
use crate::client::{Filter, Position, Start, SubscribeError, Subscription, Update};
use futures_util::StreamExt;

/// Events printed before the output is flushed and the position kept, while more are waiting.
/// So many are printed again after a crash, at most.
const EVENTS_PER_SAVE_MAX: u32 = 256;

pub(super) async fn query(flags: &QueryFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let filter = Filter { limit: flags.limit, after: flags.after, ..flags.filter.filter() };
    let subscription = flags.relay.client()?.query(filter);
    let mut printer =
        Printer { output, text: &event_text, state: None, unsaved: None, printed: 0, left: None };
    printer.run(subscription).await?;
    Ok(Outcome::Done)
}

/// Prints events until there have been `count`, or the user has seen enough.
pub(super) async fn print(
    subscription: Subscription,
    output: &mut Output,
    count: Option<u64>,
    text: &Line<'_>,
) -> Result<(), Failure> {
    let printer = Printer { output, text, state: None, unsaved: None, printed: 0, left: count };
    until_interrupted(printer, subscription).await
}

pub(super) async fn sub(flags: &SubFlags, output: &mut Output) -> Result<Outcome, Failure> {
    let state = flags.state.as_deref().map(State::at);
    let kept = state.as_ref().map_or(Ok(None), State::load)?;
    let start = match (kept, flags.after, flags.limit) {
        (Some(position), _, _) => Start::At(position),
        (None, Some(seq), _) => Start::After(Seq(seq)),
        (None, None, Some(newest)) => Start::Newest(newest),
        (None, None, None) if flags.live_only => Start::Now,
        (None, None, None) => Start::Beginning,
    };
    let subscription = flags.relay.client()?.subscribe(flags.filter.filter(), start);
    let printer = Printer { output, text: &event_text, state, unsaved: None, printed: 0, left: flags.count };
    until_interrupted(printer, subscription).await?;
    Ok(Outcome::Done)
}

async fn until_interrupted(mut printer: Printer<'_>, subscription: Subscription) -> Result<(), Failure> {
    let interrupted = tokio::select! {
        outcome = printer.run(subscription) => outcome.map(|()| false),
        signal = tokio::signal::ctrl_c() => signal.map(|()| true).map_err(Failure::from),
    };
    if interrupted? { printer.save() } else { Ok(()) }
}

struct Printer<'a> {
    output: &'a mut Output,
    text: &'a Line<'a>,
    state: Option<State>,
    /// Behind what was printed and not kept yet.
    unsaved: Option<Position>,
    /// Since the last save.
    printed: u32,
    /// Events until the end, if there is one.
    left: Option<u64>,
}

impl Printer<'_> {
    async fn run(&mut self, mut subscription: Subscription) -> Result<(), Failure> {
        loop {
            let ready = if self.printed < EVENTS_PER_SAVE_MAX { subscription.next_ready() } else { None };
            let update = match ready {
                Some(update) => update,
                None => {
                    self.save()?;
                    subscription.next().await
                }
            };
            let goes_on = match update {
                None => false,
                Some(update) => self.print(update.map_err(|error| self.explain(error))?)?,
            };
            if !goes_on {
                return self.save();
            }
        }
    }

    /// What to do when the relay has not kept what is asked for.
    fn explain(&self, error: SubscribeError) -> Failure {
        match error.complete_behind() {
            Some(seq) if self.state.is_some() => {
                format!("{error}. To go on without what is gone: remove the --state file, then begin with --after {seq}")
                    .into()
            }
            Some(seq) => format!("{error}. To go on without what is gone: --after {seq}").into(),
            None => error.into(),
        }
    }

    /// Whether to go on.
    fn print(&mut self, update: Update) -> Result<bool, Failure> {
        match update {
            Update::Event(delivery) => {
                self.output.delivery(&delivery, self.text)?;
                self.printed += 1;
                self.unsaved = delivery.position.or(self.unsaved);
                self.left = self.left.map(|left| left - 1);
            }
            Update::CaughtUp(position) => {
                self.output.caught_up(position)?;
                self.unsaved = position.or(self.unsaved);
            }
            Update::Retrying { why, delay } => {
                eprintln!("axon: {why}; trying again in {:.1} s", delay.as_secs_f32());
            }
        }
        Ok(self.left != Some(0))
    }

    /// First the output, then the position: what is kept has been printed.
    fn save(&mut self) -> Result<(), Failure> {
        self.printed = 0;
        self.output.flush()?;
        match (&self.state, self.unsaved.take()) {
            (Some(state), Some(position)) => state.save(position),
            _ => Ok(()),
        }
    }
}

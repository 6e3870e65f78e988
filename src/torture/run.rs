//! One run: rounds of load, a fault, and a look at everything.

use super::disk::Disk;
use super::faults::Preload;
use super::load::{Load, key};
use super::plan::Fault;
use super::relay::{Running, Setup};
use super::stretch::AUTHORS;
use super::verify::{self, Reader};
use super::{Broken, TortureError};
use crate::base::{Clock, PubKey, Seq};
use crate::client::Client;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// Kills between two looks at the whole store.
const KILLS_PER_CHECK: u64 = 20;

/// Up to so many events the whole store is read back after every fault; a larger one from the
/// last look on.
const WHOLE_EVENTS_MAX: u64 = 20_000;

/// How long the relay is under load before a fault.
const LOAD_MS: Range<u64> = 50..500;

/// What the last check of a run takes, in times of the last one before it: signatures, a backup and
/// its check come on top.
const END_CHECKS: u64 = 4;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program whose relay is tortured.
    pub program: PathBuf,
    /// An empty directory for everything; it stays when a promise was broken.
    pub dir: PathBuf,
    pub seconds: u64,
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    pub rounds: u64,
    /// Processes ended by kill −9.
    pub kills: u64,
    /// Rounds by fault.
    pub faults: BTreeMap<&'static str, u64>,
    /// Events in the log at the end, and those that were answered.
    pub events: u64,
    pub answered: u64,
    /// Events read back and compared, over all looks.
    pub compared: u64,
    /// Kills that met a merge of files, and those that met the purge at work.
    pub merges: u64,
    pub purges: u64,
    /// Events of the log that retention has taken away.
    pub purged: u64,
    /// Looks at the whole store, and runs of `axon check`.
    pub whole: u64,
    pub checks: u64,
    /// What this machine does not offer.
    pub missing: Vec<&'static str>,
}

/// Tortures a relay; `say` is told how it goes on.
///
/// # Errors
/// A broken promise, with the seed; or what kept it from being carried out.
pub fn run(options: &Options, say: &dyn Fn(&str)) -> Result<Figures, TortureError> {
    let system = |what: &str| {
        let what = what.to_owned();
        move |source| TortureError::System { what, source }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(system("a runtime"))?;
    fs::create_dir_all(options.dir.join("data")).map_err(system("the scratch directory"))?;
    let disk = Disk::mount(&options.dir.join("data"));
    let done = runtime.block_on(async {
        let mut run = Run::new(options, disk.is_some()).map_err(system("the preparations"))?;
        // Dropped with the run: its relay and its load.
        tokio::select! {
            result = run.rounds(options, say) => result.map_err(|stop| stop.told(options))?,
            told = interrupted() => return Err(told.map_or_else(system("signals"), |()| TortureError::Interrupted)),
        }
        Ok(run.figures)
    });
    drop(disk);
    if matches!(done, Ok(_) | Err(TortureError::Interrupted)) {
        fs::remove_dir_all(&options.dir).map_err(system("the scratch directory"))?;
    }
    done
}

/// Returns when somebody wants the run to end.
async fn interrupted() -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Why a run stops.
pub(super) enum Stop {
    Broken { round: u64, fault: &'static str, what: Broken },
    System(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::System(error)
    }
}

impl Stop {
    fn told(self, options: &Options) -> TortureError {
        match self {
            Stop::Broken { round, fault, what } => {
                let dir = options.dir.display().to_string();
                TortureError::Broken { round, fault, what, seed: options.seed, dir }
            }
            Stop::System(source) => TortureError::System { what: "torture".to_owned(), source },
        }
    }
}

pub(super) struct Run {
    pub(super) setup: Setup,
    pub(super) relay: Option<Running>,
    pub(super) load: Load,
    reader: Client,
    keys: Vec<PubKey>,
    pub(super) rng: StdRng,
    pub(super) has_disk: bool,
    /// The store was looked at up to here, so many times; where the purge marks were.
    seen: Seq,
    looks: u32,
    marks: [Seq; 2],
    kills_at_check: u64,
    /// What the last look at the whole store took.
    check_ms: u64,
    clock: Clock,
    pub(super) figures: Figures,
    round: u64,
    fault: &'static str,
}

impl Run {
    fn new(options: &Options, has_disk: bool) -> io::Result<Run> {
        let preload = Preload::build(&options.dir)?;
        let keys: Vec<PubKey> = (0..AUTHORS).map(|author| key(options.seed, author).pubkey()).collect();
        let mut figures = Figures::default();
        if preload.is_none() {
            figures.missing.push("a C compiler: no failing writes and syncs, no clock jumps");
        }
        if !has_disk {
            figures.missing.push("the right to mount: a full disk is a failing write");
        }
        let setup = Setup::new(options.program.clone(), &options.dir, &keys, preload)?;
        let load = Load::start(&setup.url, options.seed);
        let reader = Client::new(&setup.url, key(options.seed, 0)).verify_events(false);
        let rng = StdRng::seed_from_u64(options.seed);
        let (relay, fault) = (None, "the start");
        let (seen, kills_at_check, round) = (Seq::ZERO, 0, 0);
        Ok(Run {
            setup,
            relay,
            load,
            reader,
            keys,
            rng,
            has_disk,
            seen,
            looks: 0,
            marks: [Seq::ZERO; 2],
            kills_at_check,
            check_ms: 0,
            clock: Clock::new(),
            figures,
            round,
            fault,
        })
    }

    async fn rounds(&mut self, options: &Options, say: &dyn Fn(&str)) -> Result<(), Stop> {
        self.start()?;
        // The end has its place within the time.
        while self.clock.now().0 + END_CHECKS * self.check_ms < options.seconds * 1_000 {
            let fault = Fault::choose(self.round, &mut self.rng);
            self.fault = fault.name();
            self.load.resume();
            self.pause(LOAD_MS).await;
            self.bring(fault).await?;
            if self.relay.is_none() {
                self.start()?;
            }
            self.load.pause().await.map_err(|what| self.broken(what))?;
            self.look(false).await?;
            *self.figures.faults.entry(fault.name()).or_default() += 1;
            self.round += 1;
            self.figures.rounds = self.round;
            let Figures { kills, events, .. } = self.figures;
            say(&format!("round {}, {}: {kills} kills, {events} events", self.round, fault.name()));
            if kills - self.kills_at_check >= KILLS_PER_CHECK {
                self.check(&["check"]).await?;
            }
        }
        self.fault = "the end";
        self.look(true).await?;
        self.end(options).await
    }

    pub(super) fn broken(&self, what: impl Into<Broken>) -> Stop {
        Stop::Broken { round: self.round + 1, fault: self.fault, what: what.into() }
    }

    pub(super) fn start(&mut self) -> Result<(), Stop> {
        match self.setup.start()? {
            Ok(relay) => self.relay = Some(relay),
            Err(words) => return Err(self.broken(format!("the relay does not start: {words}"))),
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<(), Stop> {
        if let Some(mut relay) = self.relay.take() {
            relay.kill()?;
            self.figures.kills += 1;
        }
        Ok(())
    }

    pub(super) async fn pause(&mut self, ms: Range<u64>) {
        let ms = self.rng.random_range(ms);
        sleep(Duration::from_millis(ms)).await;
    }

    /// Reads everything back that is new, or all of it, and compares.
    async fn look(&mut self, whole: bool) -> Result<(), Stop> {
        let whole = whole || self.figures.events <= WHOLE_EVENTS_MAX;
        let after = if whole { Seq::ZERO } else { self.seen };
        self.looks += 1;
        let record = &self.load.record;
        let reader = Reader { client: &self.reader, keys: &self.keys, record, look: self.looks };
        let looked = reader.look(after, &mut self.marks).await;
        let (view, events) = looked.map_err(|what| self.broken(what))?;
        let purged = view.judge(record).map_err(|what| self.broken(what))?;
        let told = verify::histories(&self.load.histories, &view).await;
        told.map_err(|what| self.broken(what))?;
        if let Some(what) = self.load.broken().await {
            return Err(self.broken(what));
        }
        self.seen = view.head();
        self.figures.events = view.head().0;
        self.figures.purged = purged.unwrap_or(self.figures.purged);
        self.figures.compared += events;
        self.figures.whole += u64::from(whole);
        Ok(())
    }

    /// `axon check`, and the whole store read back.
    async fn check(&mut self, args: &[&str]) -> Result<(), Stop> {
        self.kills_at_check = self.figures.kills;
        let begun = self.clock.now();
        let (sound, text) = self.setup.command(args)?;
        if !sound {
            return Err(self.broken(format!("axon {}: {text}", args.join(" "))));
        }
        self.figures.checks += 1;
        self.look(true).await?;
        self.check_ms = self.clock.now().since(begun);
        Ok(())
    }

    /// The last look: every signature, and the backup of a relay that was killed so often.
    async fn end(&mut self, options: &Options) -> Result<(), Stop> {
        self.check(&["check", "--deep"]).await?;
        let (backup, restored) = (options.dir.join("backup"), options.dir.join("restored"));
        let (backup, restored) = (backup.to_string_lossy(), restored.to_string_lossy());
        let place = format!("relay.data_dir={restored}");
        let steps: [&[&str]; 3] =
            [&["backup", &backup], &["restore", &backup, "--to", &restored], &["check", "--set", &place]];
        for step in steps {
            let (sound, text) = self.setup.command(step)?;
            if !sound {
                return Err(self.broken(format!("axon {}: {text}", step.join(" "))));
            }
        }
        self.figures.answered = self.load.record.stored();
        match self.relay.take().map(|mut relay| relay.terminate()).transpose()? {
            Some(false) => Err(self.broken("it did not end well")),
            _ => Ok(()),
        }
    }
}

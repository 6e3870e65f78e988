//! One run: rounds of load, a fault, and a look at everything.

use super::faults::{self, EIO, ENOSPC, Preload};
use super::load::{AUTHORS, Load, key};
use super::plan::Fault;
use super::relay::{Running, Setup};
use super::{Broken, TortureError, verify};
use crate::base::{Clock, PubKey, Seq};
use crate::client::Client;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::sleep;

/// Kills between two looks at the whole store.
const KILLS_PER_CHECK: u64 = 20;

/// Up to so many events the whole store is read back after every fault; a larger one from the
/// last look on.
const WHOLE_EVENTS_MAX: u64 = 20_000;

/// The disk of the relay, where one can be mounted.
const DISK_BYTES: &str = "size=4g";

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
        let result = run.rounds(options, say).await;
        result.map(|()| run.figures).map_err(|stop| stop.told(options))
    });
    drop(disk);
    if done.is_ok() {
        fs::remove_dir_all(&options.dir).map_err(system("the scratch directory"))?;
    }
    done
}

/// Why a run stops.
enum Stop {
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

/// A disk in memory that can be filled; unmounted when dropped, unless its files are wanted.
struct Disk(PathBuf);

impl Disk {
    /// `None`: not allowed here.
    fn mount(dir: &Path) -> Option<Disk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK_BYTES, "axon-torture"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Disk(dir.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still hold it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

struct Run {
    setup: Setup,
    relay: Option<Running>,
    load: Load,
    reader: Client,
    keys: Vec<PubKey>,
    rng: StdRng,
    has_disk: bool,
    /// The store was looked at up to here.
    seen: Seq,
    kills_at_check: u64,
    figures: Figures,
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
            kills_at_check,
            figures,
            round,
            fault,
        })
    }

    async fn rounds(&mut self, options: &Options, say: &dyn Fn(&str)) -> Result<(), Stop> {
        let clock = Clock::new();
        self.start()?;
        while clock.now().0 < options.seconds * 1_000 {
            let fault = Fault::choose(self.round, &mut self.rng);
            self.fault = fault.name();
            self.load.resume();
            self.pause(100..700).await;
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

    fn broken(&self, what: impl Into<Broken>) -> Stop {
        Stop::Broken { round: self.round + 1, fault: self.fault, what: what.into() }
    }

    fn start(&mut self) -> Result<(), Stop> {
        match self.setup.start()? {
            Ok(relay) => self.relay = Some(relay),
            Err(words) => return Err(self.broken(format!("the relay does not start: {words}"))),
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Stop> {
        if let Some(mut relay) = self.relay.take() {
            relay.kill()?;
            self.figures.kills += 1;
        }
        Ok(())
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.rng.random_range(ms);
        sleep(Duration::from_millis(ms)).await;
    }

    async fn bring(&mut self, fault: Fault) -> Result<(), Stop> {
        match fault {
            Fault::Kill => self.kill(),
            Fault::KillStart => self.kill_starts().await,
            Fault::KillBackup => self.kill_backup().await,
            Fault::TornTail => {
                self.kill()?;
                Ok(faults::tear(&self.setup.data_dir, &mut self.rng).map(drop)?)
            }
            Fault::FlippedBit => self.flip(),
            Fault::Terminate => match self.relay.take().map(|mut relay| relay.terminate()).transpose()? {
                Some(false) => Err(self.broken("it did not end well")),
                _ => Ok(()),
            },
            Fault::WriteError => self.fail(EIO, 0).await,
            Fault::SyncError => self.fail(0, EIO).await,
            Fault::FullDisk if self.has_disk => self.fill_disk().await,
            Fault::FullDisk => self.fail(ENOSPC, 0).await,
            Fault::ClockJump => self.jump().await,
        }
    }

    async fn kill_starts(&mut self) -> Result<(), Stop> {
        self.kill()?;
        for _ in 0..3 {
            let mut relay = self.setup.spawn()?;
            self.pause(0..120).await;
            relay.kill()?;
            self.figures.kills += 1;
        }
        Ok(())
    }

    async fn kill_backup(&mut self) -> Result<(), Stop> {
        let (program, config) = (self.setup.program.clone(), self.setup.config.clone());
        let to = config.with_file_name("backup");
        let mut backup = Command::new(program)
            .arg("backup")
            .arg(to)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.pause(0..300).await;
        self.kill()?;
        // Done or not: the relay was killed under it.
        backup.wait().map(drop).map_err(Stop::from)
    }

    fn flip(&mut self) -> Result<(), Stop> {
        self.kill()?;
        let Some(flip) = faults::flip(&self.setup.data_dir, &mut self.rng)? else { return Ok(()) };
        let name = flip.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.setup.start()? {
            Ok(_) => Err(self.broken(format!("it starts although {name} has a flipped bit"))),
            Err(words) if !words.contains(&name) => {
                Err(self.broken(format!("its refusal does not name {name}: {words}")))
            }
            Err(_) => Ok(flip.undo()?),
        }
    }

    /// Writes or syncs fail for a while; then it must store again.
    async fn fail(&mut self, write: u8, sync: u8) -> Result<(), Stop> {
        let half = self.rng.random();
        let Some(preload) = &self.setup.preload else { return Ok(()) };
        preload.fail(write, sync, half)?;
        self.pause(50..900).await;
        if let Some(preload) = &self.setup.preload {
            preload.fail(0, 0, false)?;
        }
        self.stores_again().await
    }

    async fn fill_disk(&mut self) -> Result<(), Stop> {
        let filler = self.setup.data_dir.join("filler");
        let disk = statvfs(&self.setup.data_dir).map_err(io::Error::from)?;
        // Sometimes within the relay's reserve, sometimes to the last byte.
        let left = self.rng.random_range(0..3u64) * (4 << 20);
        let bytes = (disk.f_bavail * disk.f_frsize).saturating_sub(left);
        // The relay takes of the same room meanwhile: less is well, too.
        let _ = fallocate(File::create(&filler)?, FallocateFlags::empty(), 0, bytes);
        self.pause(300..1_500).await;
        fs::remove_file(filler)?;
        self.stores_again().await
    }

    async fn jump(&mut self) -> Result<(), Stop> {
        let seconds = self.rng.random_range(-1_000_000..1_000_000);
        let Some(preload) = &self.setup.preload else { return Ok(()) };
        preload.shift_clock(seconds)?;
        self.pause(200..800).await;
        if let Some(preload) = &self.setup.preload {
            preload.shift_clock(0)?;
        }
        self.stores_again().await
    }

    /// Waits until an event is answered as stored.
    async fn stores_again(&mut self) -> Result<(), Stop> {
        let before = self.load.record.stored();
        for _ in 0..600 {
            if self.load.record.stored() > before {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err(self.broken("a minute later nothing is stored yet"))
    }

    /// Reads everything back that is new, or all of it, and compares.
    async fn look(&mut self, whole: bool) -> Result<(), Stop> {
        let whole = whole || self.figures.events <= WHOLE_EVENTS_MAX;
        let after = if whole { Seq::ZERO } else { self.seen };
        let readback = verify::log(&self.reader, &self.load.record, after).await;
        let readback = readback.map_err(|what| self.broken(what))?;
        // What is still under way may have become longer meanwhile; the indexes are compared on
        // a relay at rest.
        let rows = verify::indexes(&self.reader, &self.keys, &readback).await;
        let rows = rows.map_err(|what| self.broken(what))?;
        let told = verify::histories(&self.load.histories, &readback).await;
        told.map_err(|what| self.broken(what))?;
        if let Some(what) = self.load.broken().await {
            return Err(self.broken(what));
        }
        self.seen = readback.head();
        self.figures.events = readback.head().0;
        self.figures.compared += readback.events() + rows;
        self.figures.whole += u64::from(whole);
        Ok(())
    }

    /// `axon check`, and the whole store read back.
    async fn check(&mut self, args: &[&str]) -> Result<(), Stop> {
        self.kills_at_check = self.figures.kills;
        let (sound, text) = self.setup.command(args)?;
        if !sound {
            return Err(self.broken(format!("axon {}: {text}", args.join(" "))));
        }
        self.figures.checks += 1;
        self.look(true).await
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

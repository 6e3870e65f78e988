//! What is done to the relay in one round.

use super::faults::{self, EIO, ENOSPC, Region};
use super::plan::Fault;
use super::run::{Run, Stop};
use rand::RngExt;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::sleep;

/// How long work of the store's is waited for, in looks of a millisecond.
const WORK_LOOKS_MAX: u32 = 1_500;

/// The database's threads that merge files, and the one that retention deletes on.
const MERGING: &str = "rocksdb:low";
const PURGING: &str = "axon-purge";

impl Run {
    pub(super) async fn bring(&mut self, fault: Fault) -> Result<(), Stop> {
        match fault {
            Fault::Kill => self.kill(),
            Fault::KillStart => self.kill_starts().await,
            Fault::KillMerge => {
                self.figures.merges += self.kill_while(MERGING).await?;
                Ok(())
            }
            Fault::KillPurge => {
                self.figures.purges += self.kill_while(PURGING).await?;
                Ok(())
            }
            Fault::FailStart => self.fail_start().await,
            Fault::KillBackup => self.kill_backup().await,
            Fault::TornTail => {
                self.kill()?;
                Ok(faults::tear(&self.setup.data_dir, &mut self.rng).map(drop)?)
            }
            Fault::FlippedBit => self.flip(Region::Whole),
            Fault::FlippedEnd => self.flip(Region::End),
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

    /// Kills it while such a thread is at work, if that happens in time; how often it did.
    async fn kill_while(&mut self, thread: &str) -> Result<u64, Stop> {
        for _ in 0..WORK_LOOKS_MAX {
            if self.relay.as_ref().map_or(Ok(false), |relay| relay.is_busy(thread))? {
                return self.kill().map(|()| 1);
            }
            sleep(Duration::from_millis(1)).await;
        }
        self.kill().map(|()| 0)
    }

    /// Starts it on a disk that does not write or does not sync, and kills what comes of it.
    async fn fail_start(&mut self) -> Result<(), Stop> {
        self.kill()?;
        let (write, sync) = if self.rng.random() { (EIO, 0) } else { (0, EIO) };
        let half = self.rng.random();
        let Some(preload) = &self.setup.preload else { return Ok(()) };
        preload.fail(write, sync, half)?;
        let mut relay = self.setup.spawn()?;
        self.pause(20..400).await;
        relay.kill()?;
        self.figures.kills += 1;
        self.setup.preload.as_ref().map_or(Ok(()), |preload| preload.fail(0, 0, false)).map_err(Stop::from)
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

    fn flip(&mut self, region: Region) -> Result<(), Stop> {
        self.kill()?;
        let Some(flip) = faults::flip(&self.setup.data_dir, region, &mut self.rng)? else { return Ok(()) };
        let name = flip.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.setup.start()? {
            // The bit was in what was never answered: the look that follows tells.
            Ok(relay) if region == Region::End => {
                self.relay = Some(relay);
                Ok(())
            }
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
        if self.rng.random() {
            self.kill()?;
            self.start()?;
            self.pause(50..300).await;
        }
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
}

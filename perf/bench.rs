//! Prepares a run, does it as often as wanted, reports it.

use crate::conn::Conn;
use crate::failure::{Failure, Result};
use crate::jobs::Market;
use crate::keys::Identity;
use crate::machine::DiskSync;
use crate::meter::Meter;
use crate::options::{Command, RelayArgs};
use crate::plan::Plan;
use crate::relay::{Relay, RelayOptions, Scratch};
use crate::report::{Figures, RelaySetting, Report};
use crate::script::{Script, Shape};
use crate::workload;
use axon::base::Clock;
use std::sync::Arc;

/// Subscriptions a connection may have if the configuration says nothing.
const SUBSCRIPTIONS_DEFAULT: usize = 256;
/// Different keys that log in; beyond it they take turns.
const KEYS_MAX: usize = 10_000;

/// A plan and what it needs before a relay runs: keys and signed events. Good for several runs.
pub struct Bench {
    plan: Plan,
    setting: RelaySetting,
    args: RelayArgs,
    /// What sets this one apart from others of the same plan.
    label: Option<String>,
    load: Arc<Prepared>,
    clock: Clock,
}

/// What is made once for all runs, and for all variants of a bench.
struct Prepared {
    identities: Vec<Identity>,
    scripts: Vec<Script>,
    /// Of `mixed` only, in place of scripts.
    market: Option<Market>,
}

/// A relay that answers, and everything to load it with.
pub struct Stage<'a> {
    pub plan: &'a Plan,
    pub setting: &'a RelaySetting,
    pub identities: &'a [Identity],
    pub scripts: &'a [Script],
    /// Of `mixed` only.
    pub market: Option<&'a Market>,
    pub relay: Relay,
    pub clock: Clock,
    name: String,
    disk_sync: Option<DiskSync>,
}

/// Keys a plan needs: authors, and for those that count connections one each.
pub fn identities(plan: &Plan) -> Vec<Identity> {
    let connections = match plan.command {
        Command::Idle | Command::Connect => plan.connections.max(plan.count).min(KEYS_MAX),
        _ => 0,
    };
    Identity::pool(plan.seed, plan.authors.max(connections))
}

impl Bench {
    /// Signs the events.
    ///
    /// # Errors
    /// A key or an event cannot be made.
    pub fn prepare(plan: Plan, args: &RelayArgs, clock: Clock) -> Result<Bench> {
        let identities = identities(&plan);
        let scripts = scripts(&plan, &identities, &clock)?;
        let market = match plan.command {
            Command::Mixed => Some(Market::open(&plan, &identities, clock.unix_seconds())?),
            _ => None,
        };
        let load = Arc::new(Prepared { identities, scripts, market });
        Ok(Bench { setting: setting(&plan, args), plan, args: args.clone(), label: None, load, clock })
    }

    /// A bench that prepares nothing but keys: its events are signed while it is played.
    pub fn unsigned(plan: Plan, args: &RelayArgs, clock: Clock) -> Bench {
        let load = Prepared { identities: identities(&plan), scripts: Vec::new(), market: None };
        let (setting, load) = (setting(&plan, args), Arc::new(load));
        Bench { plan, setting, args: args.clone(), label: None, load, clock }
    }

    /// The same load under another plan that publishes the same.
    pub fn with_plan(&self, plan: Plan) -> Bench {
        let (setting, load) = (setting(&plan, &self.args), Arc::clone(&self.load));
        Bench { plan, setting, args: self.args.clone(), label: None, load, clock: self.clock }
    }

    /// The same load for a relay that is started in another way.
    pub fn variant(&self, args: &RelayArgs, label: &str) -> Bench {
        Bench {
            plan: self.plan.clone(),
            setting: setting(&self.plan, args),
            args: args.clone(),
            label: Some(label.to_owned()),
            load: Arc::clone(&self.load),
            clock: self.clock,
        }
    }

    /// What a result is compared by.
    pub fn name(&self) -> String {
        let name = self.setting.name(&self.plan);
        self.label.iter().fold(name, |name, label| format!("{name}, {label}"))
    }

    /// One run, on a relay of its own unless one is running already.
    ///
    /// # Errors
    /// It could not be made.
    pub fn run(&self) -> Result<Report> {
        self.play(|stage| stage.play())
    }

    /// Starts the relay and lets `play` load it; then what makes its report doubtful.
    ///
    /// # Errors
    /// The relay does not start, or those of `play`.
    pub fn play(&self, play: impl FnOnce(&Stage) -> Result<Report> + Send) -> Result<Report> {
        let stage = self.stage()?;
        // On a thread of its own: playing confines its thread, and the next bench signs on all cores.
        let played = std::thread::scope(|scope| scope.spawn(|| play(&stage)).join());
        let mut report = played.map_err(|_| Failure::Usage("the playing thread panicked".to_owned()))??;
        report.judge();
        Ok(report)
    }

    /// Measures the disk, starts the relay.
    fn stage(&self) -> Result<Stage<'_>> {
        let (relay, disk_sync) = match &self.args.url {
            Some(url) => (Relay::running(url, self.args.pid, self.args.http)?, None),
            None => {
                let options = relay_options(&self.args, &self.setting)?;
                let scratch = Scratch::new(&options, &self.clock)?;
                let disk_sync = DiskSync::measure(&scratch.dir, &self.clock)?;
                (Relay::start(&options, scratch, &self.load.identities, &self.clock)?, Some(disk_sync))
            }
        };
        Ok(Stage {
            plan: &self.plan,
            setting: &self.setting,
            identities: &self.load.identities,
            scripts: &self.load.scripts,
            market: self.load.market.as_ref(),
            relay,
            clock: self.clock,
            name: self.name(),
            disk_sync,
        })
    }
}

impl Stage<'_> {
    fn play(&self) -> Result<Report> {
        match self.plan.command {
            Command::Replay => workload::replay(self),
            Command::Idle => workload::idle(self),
            Command::Connect => workload::connect(self),
            Command::Churn => workload::churn(self),
            Command::Mixed => workload::mixed(self),
            _ => workload::publish(self),
        }
    }

    /// Opens connection `number`.
    ///
    /// # Errors
    /// The relay does not let it in.
    pub fn open(&self, number: usize) -> Result<Conn> {
        Conn::open(&self.relay.target, &self.identities[number % self.identities.len()])
    }

    /// A meter of this relay.
    ///
    /// # Errors
    /// The relay is gone.
    pub fn meter(&self) -> Result<Meter> {
        let meter = Meter::new(self.clock, self.relay.pid, &self.setting.server_cores)?;
        match self.relay.http {
            Some(http) if self.relay.pid != 0 => meter.with_metrics(http),
            _ => Ok(meter),
        }
    }

    /// The report of this stage's figures.
    pub fn report(&self, figures: Figures) -> Report {
        Report::new(self.name.clone(), self.plan.clone(), self.setting.clone(), self.disk_sync, figures)
    }
}

/// Keys that the plan needs come before those that were given, which win.
fn setting(plan: &Plan, args: &RelayArgs) -> RelaySetting {
    let mut set = Vec::new();
    let per_connection = plan.subscriptions.div_ceil(plan.connections);
    if per_connection > SUBSCRIPTIONS_DEFAULT && args.url.is_none() {
        set.push(("limits.subscriptions_max".to_owned(), per_connection.to_string()));
    }
    set.extend(args.set.iter().cloned());
    RelaySetting::of(args, set)
}

fn scripts(plan: &Plan, identities: &[Identity], clock: &Clock) -> Result<Vec<Script>> {
    let count = match plan.command {
        Command::Idle | Command::Connect | Command::Mixed => return Ok(Vec::new()),
        // Its events are the load beside what it counts.
        Command::Churn => plan.rate.unwrap_or(0) * plan.seconds,
        _ => plan.count as u64,
    };
    let shape = Shape::of(plan, clock.unix_seconds());
    Script::write_all(&shape, &identities[..plan.authors], plan.publishers, count as usize)
}

pub fn relay_options(args: &RelayArgs, setting: &RelaySetting) -> Result<RelayOptions> {
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("axon"));
    let binary = args.relay.clone().or_else(beside);
    Ok(RelayOptions {
        binary: binary.ok_or_else(|| Failure::Usage("where is `axon`? give --relay".to_owned()))?,
        scratch: args.scratch.clone(),
        cores: setting.server_cores.clone(),
        shards: setting.shards,
        tls: setting.tls,
        durability: setting.durability.clone(),
        set: setting.set.clone(),
        env: args.env.clone(),
        keep: args.keep,
    })
}

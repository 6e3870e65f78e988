//! The store that is driven: made once, found again by its size and seed, checked.

use super::away;
use super::client::{Http, Request};
use super::fill::{self, name};
use super::text::Draws;
use super::world::{TOKEN_KEY, What, World};
use crate::bench::relay_options;
use crate::failure::{Doing, Failure, Result};
use crate::keys::Identity;
use crate::options::{Options, RelayArgs};
use crate::process::Sample;
use crate::relay::{Relay, RelayOptions, Scratch};
use crate::report::RelaySetting;
use crate::scrape::scrape;
use axon::base::Clock;
use axon::gather::{Db, Gather};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// Says what a directory holds, and that it is complete.
const MARK: &str = "gather.json";
/// The relay counts as quiet when two looks show less CPU than this.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const QUIET_NANOS: u64 = 3_000_000;
const QUIET_LOOKS_MAX: usize = 300;
/// Half a million notices and as many keys take minutes.
const DRAIN_LOOKS_MAX: usize = 30 * 600;
/// Posts that are looked at over HTTP.
const LOOKED_AT: usize = 20;

/// Everything in a store that was filled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub world: World,
    /// Unix seconds of Gather's clock when it was complete; a later run goes on from there.
    pub at: i64,
    /// What making it took.
    pub seconds: f64,
    pub counts: Counts,
}

/// What is there, as the rows say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub posts: i64,
    pub votes: i64,
    pub comments: i64,
    pub agents: i64,
    pub skills: i64,
    pub reviews: i64,
    pub messages: i64,
    pub notices: i64,
}

/// A directory with a complete store.
pub struct Store {
    pub made: Made,
    /// Goes last, unless it stays.
    scratch: Scratch,
    options: RelayOptions,
    clock: Clock,
}

/// A relay on the store, and where its HTTP face is.
pub struct Served {
    pub relay: Relay,
    pub http: SocketAddr,
}

impl Store {
    /// Finds it in the directory that was named, or makes it.
    ///
    /// # Errors
    /// The directory holds something else; it cannot be filled, or is not what it should be.
    pub fn open(options: &Options, world: World, clock: Clock) -> Result<Store> {
        let args = &options.relay;
        let setting = RelaySetting::of(args, Vec::new());
        let relay = relay_options(args, &setting)?;
        let scratch = match &options.data {
            Some(dir) => Scratch::lent(dir.clone()),
            None => Scratch::new(&relay, &clock)?,
        };
        let made = match fs::read(scratch.dir.join(MARK)) {
            Ok(text) => found(&text, &world, &scratch.dir)?,
            Err(_) => make(&world, &scratch.dir, &relay, clock)?,
        };
        Ok(Store { made, scratch, options: relay, clock })
    }

    /// Starts the relay on it.
    ///
    /// # Errors
    /// It does not start.
    pub fn serve(&self, args: &RelayArgs, allowed: &[Identity]) -> Result<Served> {
        let offset = self.now_millis() / 1_000 - self.clock.unix_seconds();
        serve(&self.options, &self.scratch.dir, offset, &args.set, allowed, &self.clock)
    }

    /// Unix milliseconds of Gather's clock: for an older store time has stood still, so that what
    /// was new is new.
    pub fn now_millis(&self) -> i64 {
        const HOUR: i64 = 3_600;
        let now = self.clock.unix_millis();
        if self.made.at < now / 1_000 - HOUR { self.made.at * 1_000 } else { now }
    }

    /// Bytes of the database.
    pub fn database_bytes(&self) -> u64 {
        fs::metadata(self.scratch.dir.join("data").join(axon::gather::db::DATABASE))
            .map_or(0, |file| file.len())
    }
}

fn found(text: &[u8], world: &World, dir: &Path) -> Result<Made> {
    let made: Made = serde_json::from_slice(text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", dir.join(MARK).display())))?;
    match made.world == *world {
        true => Ok(made),
        false => Err(Failure::Usage(format!(
            "{} holds another store: {:?}; remove it or name another directory",
            dir.display(),
            made.world
        ))),
    }
}

fn make(world: &World, dir: &Path, relay: &RelayOptions, clock: Clock) -> Result<Made> {
    let data = dir.join("data");
    if data.exists() {
        return Err(Failure::Usage(format!("{} is in the way: an unfinished store", data.display())));
    }
    fs::create_dir_all(&data).doing("the store's directory")?;
    let start = clock.nanos();
    let size = &world.size;
    let all = size.posts + size.votes + size.comments + size.agents + size.skills + size.reviews;
    let bar = bar("filling", all as u64);
    fill::fill(world, &data, clock, &bar)?;
    bar.finish_and_clear();
    let counts = check(&data, clock)?;
    // What was written while there was no relay is published, and everybody let in; without
    // waiting for the disk each time.
    let relay = RelayOptions { durability: "os".to_owned(), ..relay.clone() };
    let served = serve(&relay, dir, 0, &[], &[], &clock)?;
    drain(&served)?;
    drop(served);
    let seconds = (clock.nanos() - start) as f64 / 1e9;
    let made = Made { world: *world, at: clock.unix_seconds(), seconds, counts };
    let text = serde_json::to_vec(&made).unwrap_or_default();
    fs::write(dir.join(MARK), text).doing("the store's mark")?;
    Ok(made)
}

fn serve(
    relay: &RelayOptions,
    dir: &Path,
    clock_offset: i64,
    further: &[(String, String)],
    allowed: &[Identity],
    clock: &Clock,
) -> Result<Served> {
    let own = [
        ("gather.jwt_key", format!("\"{TOKEN_KEY}\"")),
        ("gather.registration", "\"open\"".to_owned()),
        // What limits agents is not what is measured.
        ("gather.free_posts_per_week", "1000000".to_owned()),
        ("gather.free_comments_per_day", "1000000".to_owned()),
        ("gather.pow_register", "1".to_owned()),
        ("gather.pow_post", "1".to_owned()),
        ("gather.pow_min", "1".to_owned()),
        ("gather.pow_max", "1".to_owned()),
        // Nobody is there: the fixed fees hold.
        ("gather.rate_url", "\"http://127.0.0.1:9\"".to_owned()),
        ("gather.clock_offset_seconds", clock_offset.to_string()),
    ];
    let set = own.into_iter().map(|(key, value)| (key.to_owned(), value));
    let options = RelayOptions { set: set.chain(further.iter().cloned()).collect(), ..relay.clone() };
    let relay = Relay::start(&options, Scratch::lent(dir.to_owned()), allowed, clock)?;
    let http = relay.http.ok_or_else(|| Failure::Usage("the relay has no HTTP side".to_owned()))?;
    Ok(Served { relay, http })
}

/// Waits until everything is published and everybody let in.
fn drain(served: &Served) -> Result<()> {
    let waiting = || Ok::<_, Failure>(scrape(served.http)?.sum("gather_outbox_rows", &[]) as u64);
    let first = waiting()?;
    let bar = bar("publishing", first);
    for _ in 0..DRAIN_LOOKS_MAX {
        let rows = waiting()?;
        bar.set_position(first.saturating_sub(rows));
        if rows == 0 {
            bar.finish_and_clear();
            return wait_until_quiet(served.relay.pid);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(Failure::Relay("the relay does not get done with what the filled store holds for it".to_owned()))
}

/// Waits until the process has nothing left to do; not for ever.
///
/// # Errors
/// It is gone.
pub fn wait_until_quiet(pid: u32) -> Result<()> {
    let (mut last, mut quiet) = (Sample::take(pid)?, 0);
    for _ in 0..QUIET_LOOKS_MAX {
        std::thread::sleep(LOOK_EVERY);
        let now = Sample::take(pid)?;
        quiet = if now.cpu_since(&last).nanos > QUIET_NANOS { 0 } else { quiet + 1 };
        last = now;
        if quiet == 2 {
            break;
        }
    }
    Ok(())
}

/// Counts the rows, and sees that what is kept beside them agrees.
fn check(data: &Path, clock: Clock) -> Result<Counts> {
    let failed = |what: String| Failure::Broken(format!("the filled store: {what}"));
    let gather = Gather::start(data, fill::options(0), away::ports(clock), clock);
    let gather = gather.map_err(|error| failed(error.to_string()))?;
    let (done, answer) = mpsc::channel();
    // The receiver waits below; it cannot be gone.
    gather.read(counted, move |result| drop(done.send(result)));
    let result = answer.recv();
    gather.close();
    let (counts, wrong) = match result {
        Ok(Ok(found)) => found,
        Ok(Err(fault)) => return Err(failed(fault.detail)),
        Err(_) => return Err(failed("the database ended".to_owned())),
    };
    if wrong.is_empty() { Ok(counts) } else { Err(failed(wrong.join(", "))) }
}

/// What is there, and what does not agree.
fn counted(db: &Db<'_>) -> std::result::Result<(Counts, Vec<String>), axon::gather::Fault> {
    let number = |sql| db.number(sql, []);
    let counts = Counts {
        posts: number("SELECT count(*) FROM posts")?,
        votes: number("SELECT count(*) FROM votes")?,
        comments: number("SELECT count(*) FROM comments")?,
        agents: number("SELECT count(*) FROM agents")?,
        skills: number("SELECT count(*) FROM skills")?,
        reviews: number("SELECT count(*) FROM reviews")?,
        messages: number("SELECT count(*) FROM messages")?,
        notices: number("SELECT count(*) FROM inbox")?,
    };
    let mut wrong = Vec::new();
    for (what, kept, counted) in [
        ("the ledger's sum", "SELECT sum(balance) FROM accounts", "SELECT 0"),
        ("scores", "SELECT sum(score) FROM posts", "SELECT sum(value) FROM votes"),
        ("counts of comments", "SELECT sum(comments) FROM posts", "SELECT count(*) FROM comments"),
        ("counts of posts", "SELECT sum(posts) FROM post_blocks", "SELECT count(*) FROM posts"),
        ("posts of agents", "SELECT sum(posts) FROM agents", "SELECT count(*) FROM posts"),
        ("unread notices", "SELECT sum(unread) FROM agents", "SELECT count(*) FROM inbox WHERE read = 0"),
        ("reviews that count", "SELECT reviews FROM market", "SELECT count(*) FROM reviews WHERE counts = 1"),
        ("words of posts", "SELECT count(*) FROM search_posts_docsize", "SELECT count(*) FROM posts"),
    ] {
        let (kept, counted) = (number(kept)?, number(counted)?);
        if kept != counted {
            wrong.push(format!("{what}: {kept} is kept, {counted} is there"));
        }
    }
    Ok((counts, wrong))
}

/// Looks at some posts over HTTP: the store holds what it was filled with.
///
/// # Errors
/// It does not.
pub fn look(world: &World, http: &mut Http) -> Result<()> {
    let mut draws = Draws(world.seed);
    for _ in 0..LOOKED_AT {
        let index = draws.below(world.size.posts);
        let id = world.id(What::Post, index);
        let post = http.get(&Request::get(format!("/api/posts/{id}")))?;
        let comments = http.get(&Request::get(format!("/api/posts/{id}/comments?limit=200")))?;
        let author = world.author(index);
        let is_right = post["author"] == name(author).as_str()
            && post["verified"] == world.is_verified(author)
            && post["comment_count"] == comments["total"];
        if !is_right {
            return Err(Failure::Broken(format!("post {index} is not what was written: {post}")));
        }
    }
    Ok(())
}

fn bar(what: &str, len: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("axon-perf: {what} {len}");
        return ProgressBar::hidden();
    }
    let template = format!("{what} {{bar:40}} {{human_pos}} of {{human_len}}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(len).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

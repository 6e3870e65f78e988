//! `axon delete`: a step after the other, in a running relay through its control socket, in a
//! stopped one's store directly.

use super::config::Config;
use super::filters;
use super::local::{ask, error, has_log, load, no_log, stopped_store};
use crate::base::Seq;
use crate::cli::{Deletion, OperatorError, Progress, Settings};
use crate::store::{Removal, Removed, Store};
use serde_json::{Value, json};

pub(super) fn delete(
    settings: &Settings,
    what: &Deletion,
    progress: &Progress<'_>,
) -> Result<Value, OperatorError> {
    let config = load(settings)?;
    let filter = filters::normal(&what.filter)?;
    let removal = Removal { filter, after: what.after, to: what.up_to, dry_run: what.dry_run };
    if ask(&config, async |control| control.info().await)?.is_some() {
        let sum = all_steps(removal, progress, |removal| step_of_running(&config, removal))?;
        if !what.dry_run {
            ask(&config, async |control| control.reclaim().await)?;
        }
        return Ok(sum_json(&sum, what.dry_run));
    }
    if !has_log(&config) {
        return Err(no_log(&config));
    }
    let store = stopped_store(&config)?;
    let sum = all_steps(removal, progress, |removal| store.remove(removal).map_err(error))?;
    if !what.dry_run {
        store.reclaim_now().map_err(error)?;
    }
    store.close().map_err(error)?;
    Ok(sum_json(&sum, what.dry_run))
}

/// One step, for the control socket.
pub(super) fn step(store: &Store, request: &Value) -> Result<Value, String> {
    let number = |name: &str| request[name].as_u64().ok_or_else(|| format!("{name}: must be a number"));
    let filter = request["filter"].as_str().and_then(|text| hex::decode(text).ok());
    let filter = filter.ok_or_else(|| "filter: must be MessagePack in hex".to_owned())?;
    let removal = Removal {
        filter: filters::decode(&filter)?,
        after: Seq(number("after")?),
        to: Seq(number("to")?),
        dry_run: request["dry_run"].as_bool().ok_or_else(|| "dry_run: must be true or false".to_owned())?,
    };
    let done = store.remove(&removal).map_err(|error| error.to_string())?;
    let kinds: Vec<_> =
        done.kinds.iter().map(|(kind, (events, bytes))| json!([kind, events, bytes])).collect();
    Ok(json!({
        "covered": done.covered.0,
        "to": done.to.0,
        "kinds": kinds,
        "dates": done.dates,
        "positions": done.positions.map(|(first, last)| (first.0, last.0)),
    }))
}

fn step_of_running(config: &Config, removal: &Removal) -> Result<Removed, OperatorError> {
    let request = json!({
        "filter": hex::encode(filters::encode(&removal.filter)),
        "after": removal.after.0,
        "to": removal.to.0,
        "dry_run": removal.dry_run,
    });
    let answer = ask(config, async |control| control.remove(&request).await)?;
    let answer = answer.ok_or_else(|| OperatorError("the relay has ended: do it again".to_owned()))?;
    read_step(&answer).ok_or_else(|| OperatorError("the relay's answer cannot be read".to_owned()))
}

fn read_step(answer: &Value) -> Option<Removed> {
    let mut step = Removed {
        covered: Seq(answer["covered"].as_u64()?),
        to: Seq(answer["to"].as_u64()?),
        ..Removed::default()
    };
    for kind in answer["kinds"].as_array()? {
        let key = u16::try_from(kind[0].as_u64()?).ok()?;
        step.kinds.insert(key, (kind[1].as_u64()?, kind[2].as_u64()?));
    }
    if let (Some(first), Some(last)) = (answer["dates"][0].as_i64(), answer["dates"][1].as_i64()) {
        step.dates = Some((first, last));
    }
    if let (Some(first), Some(last)) = (answer["positions"][0].as_u64(), answer["positions"][1].as_u64()) {
        step.positions = Some((Seq(first), Seq(last)));
    }
    Some(step)
}

/// Steps until the end that the first of them has found.
fn all_steps(
    mut removal: Removal,
    progress: &Progress<'_>,
    step: impl Fn(&Removal) -> Result<Removed, OperatorError>,
) -> Result<Removed, OperatorError> {
    let begin = removal.after.0;
    let mut sum = Removed::default();
    loop {
        let done = step(&removal)?;
        (removal.after, removal.to) = (done.covered, done.to);
        progress(done.covered.0.saturating_sub(begin), done.to.0.saturating_sub(begin));
        add(&mut sum, &done);
        if done.covered >= done.to {
            return Ok(sum);
        }
    }
}

fn add(sum: &mut Removed, step: &Removed) {
    (sum.covered, sum.to) = (step.covered, step.to);
    for (kind, (events, bytes)) in &step.kinds {
        let kind = sum.kinds.entry(*kind).or_default();
        *kind = (kind.0 + events, kind.1 + bytes);
    }
    if let Some((first, last)) = step.dates {
        let (a, b) = sum.dates.unwrap_or((first, last));
        sum.dates = Some((a.min(first), b.max(last)));
    }
    if let Some((first, last)) = step.positions {
        sum.positions = Some((sum.positions.map_or(first, |(begin, _)| begin), last));
    }
}

fn sum_json(sum: &Removed, dry_run: bool) -> Value {
    let kinds: Vec<_> = sum
        .kinds
        .iter()
        .map(|(kind, (events, bytes))| json!({ "kind": kind, "events": events, "bytes": bytes }))
        .collect();
    json!({
        "dry_run": dry_run,
        "events": sum.kinds.values().map(|(events, _)| events).sum::<u64>(),
        "bytes": sum.kinds.values().map(|(_, bytes)| bytes).sum::<u64>(),
        "oldest": sum.dates.map(|(first, _)| first),
        "newest": sum.dates.map(|(_, last)| last),
        "first": sum.positions.map(|(first, _)| first.0),
        "last": sum.positions.map(|(_, last)| last.0),
        "up_to": sum.to.0,
        "kinds": kinds,
    })
}

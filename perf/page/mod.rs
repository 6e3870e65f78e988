//! A call's runs as one HTML page that needs nothing else: no script, no font, no other file.

mod figures;
mod plot;
mod soak;
mod tables;

use crate::machine::Machine;
use crate::report::Report;
use crate::results::Results;
use crate::targets::{self, Verdict, grouped};
use std::fmt::Write as _;

pub use soak::soak;

const STYLE: &str = include_str!("page.css");

/// The whole page. `kept`: what the runs are compared with.
pub fn page(results: &Results, kept: &[Results]) -> String {
    let runs = &results.runs;
    let verdicts = targets::verdicts(runs);
    let title = match runs.as_slice() {
        [run] => run.name.clone(),
        _ => "Axon, measured".to_owned(),
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n<header><h1>{title}</h1>{}</header>\n",
        facts(results),
        title = esc(&title),
    );
    out += &tiles(&verdicts);
    if !verdicts.is_empty() {
        out += &section(
            "Targets",
            "On one core, beside what others reach in the same setting.",
            &tables::targets(&verdicts),
        );
    }
    let plots = figures::all(runs);
    if !plots.is_empty() {
        out += &section("Plots", "", &format!("<div class=\"plots\">{plots}</div>"));
    }
    // The set does not measure it; then that of the last call that did.
    let series = std::iter::once(results).chain(kept.iter().rev()).find(|results| !results.series.is_empty());
    if let Some(grown) = series.filter(|grown| grown.is_of_same_machine(results)) {
        let about =
            format!("What an event costs when there is more of everything; made {}.", date(grown.made_at));
        let plots = figures::growth(&grown.series);
        out += &section("Growth", &about, &format!("<div class=\"plots\">{plots}</div>"));
    }
    out += &section("Runs", "", &tables::runs(runs));
    out += &section("Every figure", "", &tables::details(runs, kept));
    out + "</main></body></html>\n"
}

fn section(title: &str, about: &str, body: &str) -> String {
    let about = if about.is_empty() { String::new() } else { format!("<p>{}</p>", esc(about)) };
    format!("<section><h2>{}</h2>{about}{body}</section>\n", esc(title))
}

/// Machine, disk, command, time.
fn facts(results: &Results) -> String {
    let mut out = String::new();
    let mut fact = |name: &str, value: String| {
        let _ = write!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", esc(&value));
    };
    if let Some(Report { machine: Machine { cpu, cores, memory_gib, kernel }, relay, .. }) =
        results.runs.first()
    {
        fact("Processor", format!("{cpu}, {cores} cores"));
        fact("Memory", format!("{memory_gib} GiB"));
        fact("Kernel", kernel.clone());
        let list = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        fact(
            "Confined to",
            format!(
                "relay: core {}; generator: core {}",
                list(&relay.server_cores),
                list(&relay.client_cores)
            ),
        );
    }
    let mut syncs: Vec<f64> = results.runs.iter().filter_map(|run| Some(run.disk_sync?.p50_us)).collect();
    syncs.sort_by(f64::total_cmp);
    let text = match syncs.as_slice() {
        [] => "not measured".to_owned(),
        [one] => format!("{} µs", grouped(one.round())),
        [first, .., last] => {
            format!("{} to {} µs over the runs", grouped(first.round()), grouped(last.round()))
        }
    };
    fact("Disk sync, p50", text);
    fact("Made", date(results.made_at));
    format!("<dl>{out}</dl>")
}

/// The headline figures.
fn tiles(verdicts: &[Verdict]) -> String {
    let mut out = String::new();
    for verdict in verdicts {
        let Some((unit, caption)) = verdict.headline else { continue };
        let _ = write!(
            out,
            "<div class=\"tile\"><strong>{} <small>{unit}</small></strong><span>{caption}</span></div>",
            if verdict.value < 1e6 {
                grouped(verdict.value)
            } else {
                format!("{:.2} M", verdict.value / 1e6)
            }
        );
    }
    if out.is_empty() { out } else { format!("<div class=\"tiles\">{out}</div>\n") }
}

/// Unix seconds as `2026-01-31 12:00 UTC`.
fn date(unix_seconds: i64) -> String {
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    // Years begin in March here, so that the leap day is the last (Hinnant, civil_from_days).
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60)
}

/// Text for HTML, also within quotes.
fn esc(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}

//! The page's tables.

use super::esc;
use crate::report::{Report, short};
use crate::results::{Results, last_kept};
use crate::targets::{Verdict, grouped};
use std::fmt::Write as _;

/// Targets beside what was measured.
pub fn targets(verdicts: &[Verdict]) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th>Workload<th>Figure<th class=\"n\">Target<th class=\"n\">Measured\
         <th>Met<th>Others</tr></thead><tbody>",
    );
    let mut last_title = "";
    for verdict in verdicts {
        let title = if verdict.title == last_title { "" } else { verdict.title };
        last_title = verdict.title;
        let _ = writeln!(
            out,
            "<tr{}><td>{}<td>{}<td class=\"n\">{}<td class=\"n\"><b>{}</b>{}<td>{}<td class=\"dim\">{}</tr>",
            if title.is_empty() { " class=\"same\"" } else { "" },
            esc(title),
            esc(&verdict.figure),
            esc(&verdict.bound),
            grouped(verdict.value),
            range(verdict.range),
            if verdict.is_met {
                "<em class=\"yes\">✓ met</em>"
            } else {
                "<em class=\"no\">✗ not met</em>"
            },
            esc(verdict.others),
        );
    }
    out + "</tbody></table></div>"
}

fn range(range: Option<[f64; 2]>) -> String {
    range.map_or(String::new(), |[low, high]| format!("<small> {}–{}</small>", grouped(low), grouped(high)))
}

/// All runs, one row each, and what makes them doubtful.
pub fn runs(reports: &[Report]) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th>Run<th class=\"n\">Runs<th class=\"n\">Units/s\
         <th class=\"n\">Deliveries/s<th class=\"n\">CPU µs/unit<th class=\"n\">settled<th class=\"n\">µs/delivery\
         <th class=\"n\">p50 µs<th class=\"n\">p99 µs<th class=\"n\">MiB</tr></thead><tbody>",
    );
    for report in reports {
        let server = report.server.as_ref();
        let show = |value: Option<f64>| value.map_or("–".to_owned(), grouped);
        let whole = |value: Option<f64>| show(value.map(f64::round));
        let latency = report.main_latency();
        let _ = writeln!(
            out,
            "<tr><td>{}{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
             <td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            esc(&report.name),
            if report.warnings.is_empty() { "" } else { " <em class=\"warn\">!</em>" },
            report.runs,
            whole(Some(report.per_second)),
            whole((report.deliveries > 0).then_some(report.deliveries_per_second)),
            show(server.map(|server| server.cpu_us_per_unit)),
            show(server.map(|server| server.cpu_us_per_unit_settled)),
            show(server.and_then(|server| server.cpu_us_per_delivery)),
            whole(latency.map(|latency| latency.p50)),
            whole(latency.map(|latency| latency.p99)),
            whole(server.map(|server| server.memory.rss_anon as f64 / 1_048_576.0)),
        );
    }
    out += "</tbody></table></div>";
    let warned: Vec<&Report> = reports.iter().filter(|report| !report.warnings.is_empty()).collect();
    if !warned.is_empty() {
        out += "<ul class=\"warnings\">";
        for report in warned {
            let _ = write!(out, "<li><b>{}</b>: {}", esc(&report.name), esc(&report.warnings.join("; ")));
        }
        out += "</ul>";
    }
    out
}

/// One part to open for each run: every key figure, its range, and the last kept one.
pub fn details(reports: &[Report], kept: &[Results]) -> String {
    let is_open = if reports.len() == 1 { " open" } else { "" };
    let mut out = String::new();
    for report in reports {
        let _ = write!(out, "<details{is_open}><summary>{}</summary>", esc(&report.name));
        out += &figures(report, kept);
        let _ = writeln!(out, "<pre>{}</pre></details>", esc(&report.table()));
    }
    out
}

fn figures(report: &Report, kept: &[Results]) -> String {
    let before = last_kept(report, kept).map(Report::key_figures).unwrap_or_default();
    let mut out = String::from("<table><thead><tr><th>Figure<th class=\"n\">Measured");
    out += if before.is_empty() {
        "</tr></thead><tbody>"
    } else {
        "<th class=\"n\">Last kept<th class=\"n\">Ratio</tr></thead><tbody>"
    };
    for (name, now) in report.key_figures() {
        let spread = range(report.ranges.get(&name).copied());
        let _ = write!(out, "<tr><td>{}<td class=\"n\"><b>{}</b>{spread}", esc(&name), grouped(now));
        if let Some((_, then)) = before.iter().find(|(other, _)| *other == name) {
            let ratio = if *then == 0.0 { "–".to_owned() } else { format!("× {}", short(now / then)) };
            let _ = write!(out, "<td class=\"n\">{}<td class=\"n\">{ratio}", grouped(*then));
        }
        out += "</tr>\n";
    }
    out + "</tbody></table>"
}

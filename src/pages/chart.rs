//! Charts, drawn here: a picture of lines and words, coloured by `assets/app.css`.

use super::view::{Markup, escape};
use std::fmt::Write as _;

/// The picture's own units; a style says how large it is on the page.
const BAR: usize = 20;
const GAP: usize = 6;
const HEIGHT: usize = 96;
/// Above the bars for their figures, below for their names.
const MARGIN: usize = 18;
/// So high is the bar of something that is not nothing.
const LEAST: i64 = 2;

/// Bars side by side, each with its name below and its figure above. `says` is what the picture
/// is, for those who do not see it; the figures follow it.
pub(super) fn bars(says: &str, bars: &[(String, i64)]) -> Markup {
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let (mut drawn, mut spoken) = (String::new(), Vec::new());
    for (i, (name, count)) in bars.iter().enumerate() {
        let (x, middle) = (i * (BAR + GAP), i * (BAR + GAP) + BAR / 2);
        let (name, bottom) = (escape(name), MARGIN + HEIGHT);
        let high = i64::try_from(HEIGHT).unwrap_or(0).saturating_mul(*count) / most;
        let high = if *count > 0 { high.max(LEAST) } else { 0 };
        let top = i64::try_from(bottom).unwrap_or(0) - high;
        // Writing to a string cannot fail.
        let _ = write!(
            drawn,
            r#"<rect x="{x}" y="{top}" width="{BAR}" height="{high}" rx="3"/><text x="{middle}" y="{}">{name}</text>"#,
            bottom + MARGIN - 3,
        );
        if *count > 0 {
            let _ = write!(drawn, r#"<text class="figure" x="{middle}" y="{}">{count}</text>"#, top - 5);
            spoken.push(format!("{name}: {count}"));
        }
    }
    let (width, height) = (bars.len() * (BAR + GAP) - GAP, HEIGHT + 2 * MARGIN);
    let says = format!(
        "{}. {}",
        escape(says),
        if spoken.is_empty() { "None".to_owned() } else { spoken.join(", ") }
    );
    Markup::finished(format!(
        r#"<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{says}">{drawn}<path d="M0 {base}.5H{width}"/></svg>"#,
        base = HEIGHT + MARGIN,
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bar_is_as_high_as_its_share() {
        let bars = |counts: &[i64]| {
            let named: Vec<_> = counts.iter().enumerate().map(|(i, n)| (format!("<{i}"), *n)).collect();
            super::bars("Scores", &named).to_string()
        };
        let chart = bars(&[0, 5, 10]);
        assert!(chart.contains(r#"height="0""#) && chart.contains(r#"height="48""#), "{chart}");
        assert!(chart.contains(r#"y="18" width="20" height="96""#), "{chart}");
        assert!(chart.contains(r#"aria-label="Scores. &#60;1: 5, &#60;2: 10""#), "{chart}");
        assert!(!chart.contains("<0") && !chart.contains("style"), "{chart}");
        assert!(bars(&[1, 100_000]).contains(r#"height="2""#), "what there is is seen");
        assert!(bars(&[0, 0]).contains("Scores. None"));
    }
}

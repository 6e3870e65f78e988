//! Plots as inline SVG: lines over named places, and stacked bars. Colours are the page's.

use super::esc;
use crate::targets::grouped;
use std::fmt::Write as _;

/// Colours the page has for series; further ones share the last.
pub const COLOURS: usize = 16;

/// Of a plot of lines, in pixels.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 292.0;
const LEFT: f64 = 58.0;
/// Holds the names of the lines.
const RIGHT: f64 = 96.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Between two lines' names.
const NAME_APART: f64 = 16.0;

/// The lowest value stays this far above the bottom of a logarithmic plot.
const LOW_ROOM: f64 = 0.94;

/// Logarithmic plots reach no further down than the highest value by this.
const LOG_RANGE_MAX: f64 = 1e6;
/// Beyond this only powers of ten have a line.
const FINE_RANGE_MAX: f64 = 5e3;

/// Of stacked bars.
const BARS_WIDTH: f64 = 1080.0;
const BAR_LEFT: f64 = 290.0;
const BAR_RIGHT: f64 = 160.0;
const BAR_APART: f64 = 30.0;
const BAR_HEIGHT: f64 = 18.0;
/// A narrower part has no room for its figure.
const PART_WITH_TEXT: f64 = 40.0;

/// A series: its name, the number of its colour, and its points.
pub struct Line {
    pub name: String,
    pub colour: usize,
    pub points: Vec<(f64, f64)>,
}

/// A plot of lines.
pub struct Plot<'a> {
    pub title: &'a str,
    /// What the axes show, with units.
    pub x_label: &'a str,
    pub y_label: &'a str,
    /// Places on the x axis, ascending.
    pub x_ticks: Vec<(f64, String)>,
    /// Logarithmic, or linear from zero.
    pub is_log: bool,
    pub lines: Vec<Line>,
}

impl Plot<'_> {
    /// A figure with its caption; empty: no line has two points.
    pub fn svg(mut self) -> String {
        self.lines.retain(|line| line.points.len() > 1);
        let (Some((first, _)), Some((last, _))) = (self.x_ticks.first(), self.x_ticks.last()) else {
            return String::new();
        };
        if self.lines.is_empty() || first == last {
            return String::new();
        }
        let values = || self.lines.iter().flat_map(|line| &line.points).map(|point| point.1);
        let ticks = ticks(values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max), self.is_log);
        let x = |at: f64| LEFT + (at - first) / (last - first) * (WIDTH - LEFT - RIGHT);
        let (low, high) = (self.scaled(ticks[0]), self.scaled(ticks[ticks.len() - 1]));
        let y = |value: f64| {
            HEIGHT - BOTTOM - ((self.scaled(value) - low) / (high - low)).max(0.0) * (HEIGHT - TOP - BOTTOM)
        };
        let mut out = format!(
            "<figure><figcaption><b>{}</b> {}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">",
            esc(self.title),
            esc(self.y_label)
        );
        for tick in &ticks {
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text class=\"num\" x=\"{x}\" y=\"{below:.1}\">{}</text>",
                amount(*tick),
                at = y(*tick),
                right = WIDTH - RIGHT,
                x = LEFT - 8.0,
                below = y(*tick) + 4.0,
            );
        }
        for (at, name) in &self.x_ticks {
            let below = HEIGHT - BOTTOM + 18.0;
            let _ = write!(out, "<text class=\"mid\" x=\"{:.1}\" y=\"{below}\">{}</text>", x(*at), esc(name));
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        let below = HEIGHT - 8.0;
        let _ =
            write!(out, "<text class=\"mid axis\" x=\"{middle}\" y=\"{below}\">{}</text>", esc(self.x_label));
        for line in &self.lines {
            line.draw(&mut out, &x, &y);
        }
        self.name_lines(&mut out, &y);
        out + "</svg></figure>\n"
    }

    fn scaled(&self, value: f64) -> f64 {
        if self.is_log { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// Every line's name beside its end, moved apart where ends are close.
    fn name_lines(&self, out: &mut String, y: &impl Fn(f64) -> f64) {
        let end = |line: &'_ Line| line.points.last().map_or(TOP, |point| y(point.1));
        let mut ends: Vec<(f64, &Line)> = self.lines.iter().map(|line| (end(line), line)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = f64::MIN;
        for (at, _) in &mut ends {
            *at = at.max(free);
            free = *at + NAME_APART;
        }
        // Those that were pushed below the plot go back up, and push the ones above.
        let mut free = HEIGHT - BOTTOM;
        for (at, line) in ends.iter().rev() {
            let at = at.min(free);
            free = at - NAME_APART;
            let _ = write!(
                out,
                "<text class=\"name c{}\" x=\"{}\" y=\"{:.1}\">{}</text>",
                line.colour.min(COLOURS - 1),
                WIDTH - RIGHT + 10.0,
                at + 4.0,
                esc(&line.name)
            );
        }
    }
}

impl Line {
    fn draw(&self, out: &mut String, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
        let colour = self.colour.min(COLOURS - 1);
        let path: Vec<String> =
            self.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
        let _ = write!(out, "<path class=\"line c{colour}\" d=\"M{}\"/>", path.join("L"));
        for (at, value) in &self.points {
            let _ = write!(
                out,
                "<circle class=\"dot c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}: {}</title></circle>",
                x(*at),
                y(*value),
                esc(&self.name),
                grouped(*value)
            );
        }
    }
}

/// Where the lines of the grid lie: all values are between the first and the last.
fn ticks(low: f64, high: f64, is_log: bool) -> Vec<f64> {
    if !is_log {
        let high = high.max(1e-9);
        let unit = 10f64.powf((high / 4.0).log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|f| f * unit * 5.0 >= high).unwrap_or(10.0);
        let count = (high / (factor * unit)).ceil().max(1.0) as usize;
        return (0..=count).map(|n| n as f64 * factor * unit).collect();
    }
    let high = high.max(1e-9);
    // Zero has no place here: what is far below the highest lies on the bottom.
    let low = low.max(high / LOG_RANGE_MAX);
    let factors: &[f64] = if high / low < FINE_RANGE_MAX { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let decades = low.log10().floor() as i32 - 1..=high.log10().floor() as i32 + 1;
    let fine: Vec<f64> = decades.flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e))).collect();
    let first = fine.iter().rposition(|tick| *tick <= low * LOW_ROOM).unwrap_or(0);
    let last = fine.iter().position(|tick| *tick >= high).unwrap_or(fine.len() - 1).max(first + 1);
    fine[first..=last].to_vec()
}

/// A tick's text.
pub fn amount(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", round(v / 1e6)),
        v if v >= 1e4 => format!("{} k", round(v / 1e3)),
        v => round(v),
    }
}

fn round(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One bar: its name, its total as text, and its parts in the order of the legend.
pub struct Bar {
    pub name: String,
    pub total: String,
    pub parts: Vec<f64>,
}

/// Bars of equal length whose parts show shares, each with its `text` of part and whole; empty
/// without bars.
pub fn shares(
    title: &str,
    about: &str,
    legend: &[String],
    bars: &[Bar],
    text: fn(f64, f64) -> String,
) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let height = bars.len() as f64 * BAR_APART;
    let mut out = format!(
        "<figure class=\"wide\"><figcaption><b>{}</b> {}</figcaption><p class=\"legend\">",
        esc(title),
        esc(about)
    );
    for (number, name) in legend.iter().enumerate() {
        let _ = write!(out, "<span><i class=\"c{}\"></i>{}</span>", number.min(COLOURS - 1), esc(name));
    }
    let _ = write!(out, "</p><svg viewBox=\"0 0 {BARS_WIDTH} {height}\" role=\"img\">");
    for (row, bar) in bars.iter().enumerate() {
        let top = row as f64 * BAR_APART + (BAR_APART - BAR_HEIGHT) / 2.0;
        bar.draw(&mut out, top, legend, text);
    }
    out + "</svg></figure>\n"
}

impl Bar {
    fn draw(&self, out: &mut String, top: f64, legend: &[String], text: fn(f64, f64) -> String) {
        let text_y = top + BAR_HEIGHT - 4.5;
        let end = BARS_WIDTH - BAR_RIGHT;
        let _ = write!(
            out,
            "<text class=\"num label\" x=\"{}\" y=\"{text_y}\">{}</text><text class=\"label\" x=\"{}\" y=\"{text_y}\">{}</text>",
            BAR_LEFT - 12.0,
            esc(&self.name),
            end + 12.0,
            esc(&self.total)
        );
        let sum: f64 = self.parts.iter().sum();
        let mut left = BAR_LEFT;
        for (number, part) in self.parts.iter().enumerate().filter(|(_, part)| **part > 0.0) {
            let width = part / sum * (end - BAR_LEFT);
            let (percent, text) = (part / sum * 100.0, text(*part, sum));
            let _ = write!(
                out,
                "<rect class=\"part c{}\" x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\"><title>{}: {text} ({percent:.1} %)</title></rect>",
                number.min(COLOURS - 1),
                esc(legend.get(number).map_or("", String::as_str)),
            );
            if width > PART_WITH_TEXT {
                let middle = left + width / 2.0;
                let _ = write!(out, "<text class=\"mid in\" x=\"{middle:.1}\" y=\"{text_y}\">{text}</text>");
            }
            left += width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_lie_within_the_ticks() {
        for is_log in [false, true] {
            for (low, high) in
                [(0.06, 0.95), (1.0, 1.0), (9.9, 10.1), (120.0, 4_800.0), (3.0, 5e6), (0.0, 5e6), (0.0, 0.0)]
            {
                let ticks = ticks(low, high, is_log);
                assert!(ticks.len() >= 2 && ticks.len() < 25, "{low} {high}: {ticks:?}");
                let reached = ticks[ticks.len() - 1] >= high * 0.9999;
                let low = if is_log { low.max(high / LOG_RANGE_MAX).max(1e-15) } else { low };
                assert!(reached && ticks[0] <= low, "{low} {high}: {ticks:?}");
                assert!(ticks.is_sorted());
            }
        }
    }

    #[test]
    fn one_point_makes_no_plot() {
        let x_ticks = vec![(2.0, "100".to_owned())];
        let lines = vec![Line { name: "one".to_owned(), colour: 0, points: vec![(2.0, 1.0)] }];
        let plot = Plot { title: "t", x_label: "x", y_label: "y", x_ticks, is_log: true, lines };
        assert_eq!(plot.svg(), "");
    }

    #[test]
    fn names_of_lines_that_end_together_stand_apart() {
        let line =
            |name: &str| Line { name: name.to_owned(), colour: 0, points: vec![(0.0, 1.0), (1.0, 2.0)] };
        let plot = Plot {
            title: "t",
            x_label: "x",
            y_label: "y",
            x_ticks: vec![(0.0, "a".to_owned()), (1.0, "b<".to_owned())],
            is_log: true,
            lines: vec![line("one"), line("two")],
        };
        let svg = plot.svg();
        let at = |name: &str| {
            let before = &svg[..svg.find(&format!(">{name}</text>")).unwrap()];
            before.rsplit("y=\"").next().unwrap().trim_end_matches('"').parse::<f64>().unwrap()
        };
        assert!((at("two") - at("one")).abs() >= NAME_APART);
        assert!(svg.contains("b&lt;") && !svg.contains("b<<"));
    }
}

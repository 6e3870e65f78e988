//! Reading OpenMetrics text: the samples, without types and units.

use std::str::FromStr;

/// One line: a name with labels, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    /// Names and values, unescaped.
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// Everything that one scrape said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition {
    samples: Vec<Sample>,
}

impl Sample {
    /// The value of the label `name`.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

impl Exposition {
    /// Every sample, in the order of the text.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// Every sample of that name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The sum over all samples of that name that have these labels; 0 if there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = |sample: &&Sample| labels.iter().all(|(label, v)| sample.label(label) == Some(v));
        self.named(name).filter(wanted).map(|sample| sample.value).sum()
    }
}

impl FromStr for Exposition {
    type Err = String;

    /// # Errors
    /// The first line that is not understood, by its number; or no `# EOF`: it was cut off.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut samples = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line == "# EOF" {
                return Ok(Exposition { samples });
            }
            if !line.is_empty() && !line.starts_with('#') {
                samples.push(sample(line).ok_or_else(|| format!("line {number} is not a sample: {line:?}"))?);
            }
        }
        Err("cut off: no # EOF at the end".to_owned())
    }
}

/// `name value` or `name{label="value",…} value`; a timestamp or an exemplar may follow.
fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = quoted(behind)?;
            labels.push((label.to_owned(), value));
            rest = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then(|| Sample { name: name.to_owned(), labels, value })
}

/// A label's value up to its closing quote, and what follows the quote.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_with_and_without_labels() {
        let text = "# HELP a Something.\n# TYPE a counter\na_total{shard=\"0\",code=\"200\"} 3 # {x=\"y\"} 1\n\
            a_total{shard=\"1\",code=\"200\"} 4.5\na_total{shard=\"0\",code=\"400\"} 1e3\nb 7 1700000000\n# EOF\n";
        let read: Exposition = text.parse().expect("valid text");
        assert_eq!(read.sum("a_total", &[("code", "200")]), 7.5);
        assert_eq!(read.sum("a_total", &[("shard", "0")]), 1_003.0);
        assert_eq!(read.sum("b", &[]), 7.0);
        assert_eq!(read.sum("a", &[]), 0.0);
    }

    #[test]
    fn label_values_may_hold_anything() {
        let read: Exposition =
            "a{t=\"x\\\"y\\\\z\\n},=\\\"\",u=\"\"} +Inf\n# EOF".parse().expect("valid text");
        let sample = read.named("a").next().expect("the sample");
        assert_eq!(sample.label("t"), Some("x\"y\\z\n},=\""));
        assert_eq!(sample.label("u"), Some(""));
        assert_eq!(sample.value, f64::INFINITY);
    }

    #[test]
    fn every_cut_is_an_error_and_none_a_panic() {
        let text = "a{b=\"c\\n\",d=\"é\"} 1.5\nb 2\n# EOF";
        assert!(text.parse::<Exposition>().is_ok());
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            assert!(text[..end].parse::<Exposition>().is_err(), "{:?}", &text[..end]);
        }
        for bad in ["a", "a b", "{} 1", "a{b} 1", "a{b=\"c} 1", "a{b=\"c\"", "a{", " 1", "a{b=\"c\"d} 1"] {
            let error = format!("{bad}\n# EOF").parse::<Exposition>().expect_err(bad);
            assert!(error.starts_with("line 1"), "{bad}: {error}");
        }
    }
}

//! Texts of a language of its own: as in real ones, a few words stand everywhere and most are rare.

use super::world::mix;

/// Words of the language; there are 57 600 of two syllables.
const WORDS: usize = 40_000;
/// Draws of the table below; a word's share of it is its share of every text.
const TABLE: usize = 1 << 16;

const HEADS: [&str; 20] =
    ["b", "br", "d", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "pr", "r", "s", "st", "t", "tr", "v", "z"];
const TAILS: [&str; 12] = ["a", "an", "e", "el", "i", "in", "o", "or", "u", "un", "ai", "es"];

/// The language.
pub struct Language {
    /// Numbers of words, each as often as it is used.
    table: Vec<u32>,
}

/// A stream of numbers that follows from where it began.
pub struct Draws(pub u64);

impl Draws {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

impl Language {
    pub fn new() -> Language {
        let all: f64 = (1..=WORDS).map(|rank| 1.0 / rank as f64).sum();
        let mut table = Vec::with_capacity(TABLE);
        let mut reached = 0.0;
        for rank in 1..=WORDS {
            reached += 1.0 / rank as f64 / all;
            // Words rarer than a place of the table take turns at the last ones.
            while table.len() < (reached * TABLE as f64) as usize {
                table.push(rank as u32 - 1);
            }
        }
        Language { table }
    }

    /// So many words.
    pub fn text(&self, draws: &mut Draws, words: usize) -> String {
        let mut text = String::with_capacity(words * 7);
        for place in 0..words {
            if place > 0 {
                text.push(' ');
            }
            let at = draws.below(self.table.len());
            push_word(&mut text, self.table[at] as usize);
        }
        text
    }
}

/// The word of a rank: 0 is the commonest.
pub fn word(rank: usize) -> String {
    let mut text = String::new();
    push_word(&mut text, rank);
    text
}

/// Two syllables, which are the rank's digits.
fn push_word(text: &mut String, rank: usize) {
    let base = HEADS.len() * TAILS.len();
    for syllable in [rank / base % base, rank % base] {
        text.push_str(HEADS[syllable / TAILS.len()]);
        text.push_str(TAILS[syllable % TAILS.len()]);
    }
}

/// Tags: the first are on many posts, the last on a few.
pub fn tag(rank: usize) -> String {
    format!("{}-{}", word(rank), rank % 7)
}

/// How many tags there are.
pub const TAGS: usize = 2_000;

/// One to five tags, the commonest most often.
pub fn tags(draws: &mut Draws) -> Vec<String> {
    let mut ranks: Vec<usize> = (0..1 + draws.below(5))
        .map(|_| {
            // The least of a uniform draw to the fourth power: a tenth of all posts have the first.
            let uniform = draws.below(1 << 16) as f64 / f64::from(1 << 16);
            (uniform.powi(4) * TAGS as f64) as usize
        })
        .collect();
    ranks.sort_unstable();
    ranks.dedup();
    ranks.into_iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_common_ones_are_common() {
        let all: std::collections::BTreeSet<String> = (0..WORDS).map(word).collect();
        assert!(all.len() > WORDS * 9 / 10, "{} of {WORDS}", all.len());
        let language = Language::new();
        let text = language.text(&mut Draws(1), 20_000);
        let often = text.split(' ').filter(|w| *w == word(0)).count();
        assert!((1_000..3_000).contains(&often), "{often}");
        assert_eq!(text, language.text(&mut Draws(1), 20_000));
    }
}

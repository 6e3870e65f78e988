//! Texts: lengths in code points, tags, cutting, and the estimate of tokens.

/// Characters of a post's tag.
pub const TAG_CHARS_MAX: usize = 30;

/// What a language model makes of English and JSON: about four bytes to a token.
const BYTES_PER_TOKEN: usize = 4;

/// Unicode code points.
pub fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The first `max` code points; a cut text ends with `…`, which counts.
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max || chars(text) <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// A tag, trimmed and in lower case; `None` if what remains is not 1 to 30 of `[a-z0-9-]`.
pub fn tag(text: &str) -> Option<String> {
    let tag = text.trim().to_lowercase();
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    ((1..=TAG_CHARS_MAX).contains(&tag.len()) && tag.bytes().all(good)).then_some(tag)
}

/// What `json_bytes` of JSON cost a language model, rounded up. An estimate, and the one that
/// `max_tokens` is measured by.
pub fn tokens(json_bytes: usize) -> usize {
    json_bytes.div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_has_the_length_in_code_points() {
        assert_eq!(cut("añb", 3), "añb");
        assert_eq!(cut("añbc", 3), "añ…");
        assert_eq!(chars(&cut(&"ü".repeat(500), 200)), 200);
    }

    #[test]
    fn tags_are_trimmed_lowered_and_checked() {
        assert_eq!(tag("  Rust-2024 ").as_deref(), Some("rust-2024"));
        for bad in ["", "  ", "a b", "ä", "a_b", &"x".repeat(31)] {
            assert_eq!(tag(bad), None, "{bad:?}");
        }
        assert_eq!(tag(&"x".repeat(30)).map(|t| t.len()), Some(30));
    }
}

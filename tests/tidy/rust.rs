//! As much of Rust's grammar as the rules need: words, literals, items.

/// What an identifier is made of.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `needle` stands as a whole word (as far as it begins and ends with word characters).
pub fn positions<'a>(code: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(needle).map(|(at, _)| at).filter(move |&at| {
        let joins = |a: Option<char>, b: Option<char>| a.is_some_and(is_word) && b.is_some_and(is_word);
        let (before, after) = (&code[..at], &code[at + needle.len()..]);
        !joins(before.chars().next_back(), needle.chars().next())
            && !joins(needle.chars().next_back(), after.chars().next())
    })
}

/// `a` of `a::b`, or `a` and `c` of `{a::b, c::{d, e}}`.
pub fn first_segments(rest: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    if !rest.starts_with('{') {
        return vec![word(rest)];
    }
    let (mut names, mut depth) = (Vec::new(), 0);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && matches!(c, '{' | ',') {
            names.push(word(&rest[at + 1..]));
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Where `mod name;` or `mod name {` stands.
pub fn declaration(code: &str, name: &str) -> Option<usize> {
    positions(code, "mod").find(|at| {
        let rest = code[at + 3..].trim_start();
        rest.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with([';', '{']))
    })
}

/// The end of the item that begins here: its `;`, or the brace that closes its body.
pub fn body_end(code: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0i32, 0i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            ';' if brackets == 0 && braces == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `code` without the items behind `#[cfg(test)]`, and without those behind `#[test]`.
pub fn blank_tests(code: &str) -> String {
    let mut out = code.to_owned();
    for marker in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        while let Some(at) = out.find(marker) {
            let item = out[at..].find(']').map_or(out.len(), |close| at + close + 1);
            let end = item + body_end(&out[item..]).unwrap_or(out.len() - item);
            out.replace_range(at..end, &spaces(&out[at..end]));
        }
    }
    out
}

/// As many spaces as there are bytes, line ends kept.
fn spaces(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// `text` with comments, strings and characters blanked out.
pub fn blank_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_before = out.chars().next_back().is_some_and(is_word);
        match literal_len(rest, word_before) {
            Some(len) => {
                out.push_str(&spaces(&rest[..len]));
                rest = &rest[len..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// The length of the comment, string or character that `rest` begins with.
fn literal_len(rest: &str, word_before: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_len(rest));
    }
    if !word_before {
        let raw = rest.trim_start_matches(['b', 'c']).strip_prefix('r').unwrap_or_default();
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let open = rest.len() - raw.len() + hashes + 1;
            let close = format!("\"{}", "#".repeat(hashes));
            return Some(rest[open..].find(&close).map_or(rest.len(), |at| open + at + close.len()));
        }
    }
    if rest.starts_with('"') {
        return Some(quoted_len(rest, '"'));
    }
    // 'a' and '\n' are characters, 'a is a lifetime.
    let mut chars = rest.strip_prefix('\'')?.chars();
    let is_char = chars.next() == Some('\\') || chars.next() == Some('\'');
    is_char.then(|| quoted_len(rest, '\''))
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

//! Reading an upload: one part of a `multipart/form-data` body (RFC 7578).

use axum::http::{HeaderMap, header};

/// Characters of a boundary (RFC 2046).
const BOUNDARY_CHARS_MAX: usize = 70;

/// A part with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub file_name: String,
    pub bytes: &'a [u8],
}

/// The boundary of a multipart request.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = kind.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    (1..=BOUNDARY_CHARS_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The file in the part of this name.
pub(super) fn file<'a>(body: &'a [u8], boundary: &str, name: &str) -> Option<Part<'a>> {
    let delimiter = format!("--{boundary}").into_bytes();
    let inner = [b"\r\n", delimiter.as_slice()].concat();
    let mut rest = match body.strip_prefix(delimiter.as_slice()) {
        Some(rest) => rest,
        None => &body[find(body, &inner)? + inner.len()..],
    };
    // Behind each delimiter: `--` at the end, else a line end, headers, an empty line, content.
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, &inner)?;
        let (part, behind) = (&part[..end], &part[end + inner.len()..]);
        if let Some(at) = find(part, b"\r\n\r\n")
            && let Some(file_name) = file_name(&part[..at], name)
        {
            return Some(Part { file_name, bytes: &part[at + 4..] });
        }
        rest = behind;
    }
    None
}

/// The file name of a part's headers, if the part has this name.
fn file_name(headers: &[u8], name: &str) -> Option<String> {
    let headers = String::from_utf8_lossy(headers);
    let disposition = headers.lines().find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let mut quoted = false;
    let apart = |c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    };
    let parts: Vec<&str> = disposition.split(apart).collect();
    let parameter = |wanted: &str| {
        parts.iter().find_map(|part| {
            let (name, value) = part.split_once('=')?;
            (name.trim() == wanted).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    (parameter("name")? == name).then(|| parameter("filename"))?
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| *b == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"--B\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--B\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\
        \x89PNG\r\n\r\n--Bx\r\n--B--\r\n";

    #[test]
    fn the_part_is_found_whole() {
        let part = file(BODY, "B", "file").unwrap();
        assert_eq!(part.file_name, "a b.png");
        // A delimiter ends a part even if more follows it on its line, as RFC 2046 has it.
        assert_eq!(part.bytes, b"\x89PNG\r\n");
        let preamble = [b"preamble\r\n", BODY].concat();
        assert_eq!(file(&preamble, "B", "file").unwrap(), part);
        assert_eq!(file(BODY, "B", "note"), None, "no file");
        assert_eq!(file(BODY, "C", "file"), None);
    }

    #[test]
    fn a_name_may_hold_what_separates_parameters() {
        for (sent, read) in
            [("\"a; b=c.png\"", "a; b=c.png"), ("a.png; size=1", "a.png"), ("\"a;.png", "a;.png")]
        {
            let head = format!("Content-Disposition: form-data; name=\"file\"; filename={sent}");
            assert_eq!(file_name(head.as_bytes(), "file").as_deref(), Some(read), "{sent}");
        }
    }

    #[test]
    fn no_truncation_panics() {
        for end in 0..BODY.len() {
            let _ = file(&BODY[..end], "B", "file");
        }
    }

    #[test]
    fn boundaries() {
        for (kind, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=abc", None),
            ("application/json", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(boundary(&headers).as_deref(), expected, "{kind}");
        }
    }
}

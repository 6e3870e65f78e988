//! Pictures that were uploaded. The bytes are files in the data directory, named by the design's
//! id; a row says what they are. The file comes first: a row without one cannot be, and a file without
//! one is removed at the next start.

use crate::gather::{Agent, Context, Db, Fault, FaultKind, Tx};
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The folder of their files in the data directory.
pub const FOLDER: &str = "designs";
/// Where they are served.
pub const PATH: &str = "/api/files/designs/";
/// The picture of an order without one.
pub const PLACEHOLDER_PATH: &str = "/api/files/designs/placeholder/blank.png";
/// Bytes of one design (contract 4.8).
pub const DESIGN_BYTES_MAX: usize = 20 << 20;
/// Bytes of all designs of one agent: ten of the largest.
const AGENT_BYTES_MAX: i64 = 200 << 20;
/// Characters of the original name that are kept.
const NAME_CHARS_MAX: usize = 80;
/// Where an SVG must say that it is one.
const SVG_BYTES: usize = 512;

/// One white pixel as PNG.
pub const PLACEHOLDER: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
    0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0x0f, 0x00, 0x01, 0x01, 0x01, 0x00,
    0x1c, 0xb0, 0x8c, 0x99, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// A design that was uploaded.
#[derive(Debug, Clone, Serialize)]
pub struct Uploaded {
    pub design_id: String,
    pub design_url: String,
}

/// A picture that may be kept.
#[derive(Debug, Clone)]
pub struct Picture {
    pub id: String,
    /// The name it is served under.
    file: String,
    mime_type: &'static str,
    bytes: usize,
}

/// A picture that is kept.
#[derive(Debug, Clone)]
pub struct Design {
    /// Where its bytes are.
    pub path: PathBuf,
    pub mime_type: String,
}

/// What an upload is.
///
/// # Errors
/// 400 an extension that is not allowed, or content that is something else; 413 too large.
pub fn examine(name: &str, bytes: &[u8], id: String, suffix: &str) -> Result<Picture, Fault> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let extension = extension.to_ascii_lowercase();
    let (mime_type, fits): (_, fn(&[u8]) -> bool) = match extension.as_str() {
        "png" => ("image/png", |b| b.starts_with(b"\x89PNG\r\n\x1a\n")),
        "jpg" | "jpeg" => ("image/jpeg", |b| b.starts_with(&[0xff, 0xd8, 0xff])),
        "webp" => ("image/webp", |b| b.starts_with(b"RIFF") && b.get(8..12) == Some(b"WEBP")),
        "svg" => ("image/svg+xml", |b| {
            let head = &b[..b.len().min(SVG_BYTES)];
            [&b"<svg"[..], b"<?xml"].iter().any(|mark| head.windows(mark.len()).any(|w| w == *mark))
        }),
        _ => return Err(Fault::bad("a design's name must end with .png, .jpg, .jpeg, .webp or .svg")),
    };
    if bytes.len() > DESIGN_BYTES_MAX {
        return Err(too_large());
    }
    if !fits(bytes) {
        return Err(Fault::bad(format!(
            "the file is called .{extension}, but its content is something else"
        )));
    }
    let file = format!("{}_{suffix}.{extension}", snake(stem));
    Ok(Picture { id, file, mime_type, bytes: bytes.len() })
}

/// 413.
pub fn too_large() -> Fault {
    let detail = format!("a design has at most {} MiB", DESIGN_BYTES_MAX >> 20);
    Fault::new(FaultKind::TooLarge, detail)
}

/// Letters and digits in lower case, everything else one underscore.
fn snake(stem: &str) -> String {
    let mut name = String::new();
    for c in stem.chars().take(NAME_CHARS_MAX) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() { "design".to_owned() } else { name.to_owned() }
}

/// Where the bytes of designs are, in files named by their ids.
pub fn folder(context: &Context) -> PathBuf {
    context.dir.join(FOLDER)
}

/// Removes files without a row: uploads that a crash or their sender cut off. Before there are
/// new ones. Blocks.
///
/// # Errors
/// The database's; the folder cannot be read.
pub fn sweep(db: &Db<'_>) -> Result<(), Fault> {
    let files = match fs::read_dir(folder(db.context())) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        files => files.map_err(Fault::internal)?,
    };
    for file in files.flatten() {
        let known = "SELECT EXISTS (SELECT 1 FROM designs WHERE id = ?1)";
        if db.number(known, [file.file_name().to_string_lossy()])? == 0 {
            fs::remove_file(file.path()).map_err(Fault::internal)?;
        }
    }
    Ok(())
}

/// Keeps a picture whose file is written.
///
/// # Errors
/// 413 the agent has too many bytes already; 403 suspended.
pub fn keep(tx: &Tx<'_>, me: &Agent, picture: &Picture) -> Result<Uploaded, Fault> {
    let me = Agent::of(tx, &me.bearer, true)?;
    let bytes = i64::try_from(picture.bytes).unwrap_or(i64::MAX);
    let have = tx.number("SELECT sum(bytes) FROM designs WHERE agent = ?1", [me.n])?;
    if have.saturating_add(bytes) > AGENT_BYTES_MAX {
        let detail = format!("your designs may have {} MiB together", AGENT_BYTES_MAX >> 20);
        return Err(Fault::new(FaultKind::TooLarge, detail));
    }
    let Picture { id, file, mime_type, .. } = picture;
    tx.run(
        "INSERT INTO designs (id, agent, file, mime_type, bytes, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (id, me.n, file, mime_type, bytes, tx.now().0),
    )?;
    Ok(Uploaded { design_id: id.clone(), design_url: format!("{PATH}{id}/{file}") })
}

/// `GET /api/files/designs/{id}/{file}`: where the bytes are.
///
/// # Errors
/// 404.
pub fn find(db: &Db<'_>, id: &str, file: &str) -> Result<Design, Fault> {
    let sql = "SELECT mime_type FROM designs WHERE id = ?1 AND file = ?2";
    let found = db.one(sql, (id, file), |row| row.get(0))?;
    // An id that has a row is one of ours: letters and digits.
    let design = |mime_type| Design { path: folder(db.context()).join(id), mime_type };
    found.map(design).ok_or_else(|| Fault::missing("there is no such design"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_content_must_agree() {
        let examine = |name: &str, bytes: &[u8]| examine(name, bytes, "id".to_owned(), "x1").map(|p| p.file);
        let svg = b"<!-- made by hand -->\n<svg xmlns='http://www.w3.org/2000/svg'/>";
        for (name, bytes, file) in [
            ("My Cat (1).PNG", PLACEHOLDER, "my_cat_1_x1.png"),
            ("a.jpeg", &[0xff, 0xd8, 0xff, 0xe0][..], "a_x1.jpeg"),
            ("../../x.webp", b"RIFF\0\0\0\0WEBPVP8 ", "x_x1.webp"),
            ("ä.svg", svg, "design_x1.svg"),
            (".svg", b"<?xml version='1.0'?>", "design_x1.svg"),
        ] {
            assert_eq!(examine(name, bytes).as_deref(), Ok(file), "{name}");
        }
        for (name, bytes) in [
            ("a.gif", &b"GIF89a"[..]),
            ("a", PLACEHOLDER),
            ("a.jpg", PLACEHOLDER),
            ("a.png", b""),
            ("a.webp", b"RIFF\0\0\0\0WAVE"),
            ("a.svg", b"<html>"),
        ] {
            assert_eq!(examine(name, bytes).unwrap_err().kind, FaultKind::Bad, "{name}");
        }
        let large = [PLACEHOLDER, &vec![0; DESIGN_BYTES_MAX]].concat();
        assert_eq!(examine("a.png", &large).unwrap_err().kind, FaultKind::TooLarge);
    }
}

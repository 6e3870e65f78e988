//! The house rules that the compiler does not check in a single crate: who may import whom,
//! where threads, sockets and the database may be named, sizes, leftovers, dead files.
//!
//! Every rule is a table below. One test reads the whole tree and reports all findings at once.

#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/tree.rs"]
mod tree;

use rust::positions;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tree::{Function, SourceFile, Tree};

/// Every room of `src/` and the rooms it may name. `app` wires all of them.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("codec", &["base"]),
    ("event", &["base", "codec"]),
    ("filter", &["base", "codec", "event"]),
    ("verify", &["base", "event"]),
    ("log", &["base", "event", "filter"]),
    ("wire", &["base", "codec", "event", "filter"]),
    ("fanout", &["base", "event", "filter"]),
    ("session", &["base", "event", "filter", "wire"]),
    ("ingest", &["base", "event", "verify", "log"]),
    ("store", &["base", "codec", "event", "filter", "log"]),
    ("shard", &["base", "event", "filter", "wire", "session", "fanout", "ingest", "log"]),
    ("http", &["base", "event", "ingest", "log"]),
    ("gather", &["base", "codec", "event", "filter", "ingest", "log"]),
    ("upstream", &["base", "gather"]),
    ("api", &["base", "gather", "http"]),
    ("pages", &["base", "gather", "api"]),
    ("client", &["base", "codec", "event", "filter", "wire"]),
    ("plan", &["base"]),
    ("torture", &["client", "base"]),
    ("doctor", &["base"]),
    ("cli", &["client", "torture", "app", "plan", "base", "doctor"]),
    (
        "app",
        &[
            "base", "codec", "event", "filter", "verify", "log", "wire", "fanout", "session", "ingest",
            "store", "shard", "http", "gather", "upstream", "api", "pages", "client", "torture", "cli",
            "doctor",
        ],
    ),
];

/// Paths that production code may name only in these rooms.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("monoio", &["shard"]),
    ("rocksdb", &["store"]),
    ("rusqlite", &["gather"]),
    ("rustls", &["shard", "client", "upstream"]),
    ("reqwest", &["upstream", "client"]),
    ("utoipa", &["gather", "api"]),
    ("io_uring", &["doctor"]),
    ("libc", &["doctor"]),
    ("axum", &["http", "api", "pages", "app"]),
    ("askama", &["pages"]),
    ("hyper", &["http"]),
    ("tokio", &["http", "api", "client", "cli", "app", "torture"]),
    ("tungstenite", &["wire", "client"]),
    ("tokio_tungstenite", &["client"]),
    ("toml", &["app", "cli"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("std::net", &["shard", "http", "api", "app", "client", "cli", "torture"]),
    ("std::os::unix::net", &["shard", "http"]),
    ("std::thread", &["shard", "store", "http", "gather", "client", "app"]),
    ("std::env", &["app", "cli"]),
    ("println!", &["cli", "app"]),
    ("eprintln!", &["cli", "app"]),
];

/// Files in which `unsafe` may stand, with the reason.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("src/shard/socket.rs", "the runtime's TcpStream lends only a raw descriptor"),
    ("src/doctor/clock.rs", "adjtimex has no safe binding"),
    ("src/main.rs", "mallopt has no safe binding"),
];

const FILE_LINES_MAX: usize = 700;
const FILE_LINES_GOOD: usize = 400;
/// Files between the two bounds, with the reason why they are not two files.
const LONG_FILES: &[(&str, &str)] = &[];

const FUNCTION_LINES_MAX: usize = 70;
/// Longer functions that exist, with the length they must not grow beyond.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// What must not stay in code, and what is written instead.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("to", "do!"), "write it"),
    (concat!("unimpl", "emented!"), "write it"),
    (concat!("db", "g!"), "use tracing"),
    (concat!("#[ig", "nore"), "mend or delete the test"),
    (concat!("allow(dead", "_code)"), "delete the code; history keeps it"),
];

/// What must not stay in comments.
const NOTES: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read(&root());
    let mut findings = Vec::new();
    for rule in [imports, only_in, unsafe_code, declared, file_sizes, function_sizes, leftovers, room_lists] {
        rule(&tree, &mut findings);
    }
    assert!(findings.is_empty(), "{} findings:\n  {}", findings.len(), findings.join("\n  "));
}

/// The package; a variable of cargo, so that the built test can look at another tree, too.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

fn imports(tree: &Tree, findings: &mut Vec<String>) {
    let rooms: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    for file in tree.production() {
        let Some(room) = file.room() else { continue };
        let allowed = rooms.get(room).copied().unwrap_or_default();
        for (line, named) in file.rooms_named() {
            let is_room = rooms.contains_key(named.as_str());
            if is_room && named != room && !allowed.contains(&named.as_str()) {
                findings.push(format!("{}:{line}: `{room}` may not name `{named}`", file.path));
            }
        }
    }
}

fn only_in(tree: &Tree, findings: &mut Vec<String>) {
    for file in tree.production() {
        let Some(room) = file.room() else { continue };
        for (path, rooms) in ONLY_IN.iter().filter(|(_, rooms)| !rooms.contains(&room)) {
            for line in file.lines_with(path) {
                findings.push(format!("{}:{line}: `{path}` belongs into {}", file.path, rooms.join(", ")));
            }
        }
    }
}

fn unsafe_code(tree: &Tree, findings: &mut Vec<String>) {
    for file in &tree.files {
        let argued = UNSAFE_FILES.iter().any(|(path, _)| *path == file.path);
        for line in file.lines_with("unsafe").into_iter().filter(|_| !argued) {
            findings
                .push(format!("{}:{line}: `unsafe` only in the files that UNSAFE_FILES names", file.path));
        }
    }
    for (path, _) in UNSAFE_FILES {
        if !tree.files.iter().any(|file| file.path == *path && !file.lines_with("unsafe").is_empty()) {
            findings.push(format!("{path}: has no `unsafe` any more; take it off UNSAFE_FILES"));
        }
    }
}

fn declared(tree: &Tree, findings: &mut Vec<String>) {
    for file in tree.files.iter().filter(|file| file.path.starts_with("src/")) {
        if !file.is_crate_root() && !tree.declares(file) {
            findings.push(format!("{}: no `mod` declares this file", file.path));
        }
    }
}

fn file_sizes(tree: &Tree, findings: &mut Vec<String>) {
    for file in tree.production() {
        let lines = file.production_lines();
        let reasoned = LONG_FILES.iter().any(|(path, _)| *path == file.path);
        match lines {
            _ if file.path == "src/main.rs" && lines > 60 => {
                findings.push(format!("{}: {lines} lines, it should fit on one screen", file.path));
            }
            0..=FILE_LINES_GOOD if reasoned => {
                findings.push(format!("{}: {lines} lines; take it off LONG_FILES", file.path));
            }
            0..=FILE_LINES_GOOD => {}
            _ if lines > FILE_LINES_MAX => {
                findings.push(format!("{}: {lines} lines, over {FILE_LINES_MAX}", file.path));
            }
            _ if !reasoned => findings.push(format!(
                "{}: {lines} lines, over {FILE_LINES_GOOD}: divide it or give a reason in LONG_FILES",
                file.path
            )),
            _ => {}
        }
    }
}

fn function_sizes(tree: &Tree, findings: &mut Vec<String>) {
    let mut met: BTreeSet<&(&str, &str, usize)> = BTreeSet::new();
    for file in tree.production() {
        for Function { name, line, lines } in file.functions() {
            let ratchet = LONG_FUNCTIONS.iter().find(|(path, of, _)| *path == file.path && *of == name);
            let bound = ratchet.map_or(FUNCTION_LINES_MAX, |(_, _, bound)| *bound);
            met.extend(ratchet);
            if lines > bound {
                findings.push(format!("{}:{line}: `{name}` has {lines} lines, over {bound}", file.path));
            } else if ratchet.is_some() && lines < bound {
                let advice = if lines > FUNCTION_LINES_MAX { "lower its bound" } else { "take it off" };
                findings.push(format!("{}:{line}: `{name}` has {lines} lines now: {advice}", file.path));
            }
        }
    }
    for (path, name, _) in LONG_FUNCTIONS.iter().filter(|ratchet| !met.contains(ratchet)) {
        findings.push(format!("{path}: there is no `{name}` any more; take it off LONG_FUNCTIONS"));
    }
}

fn leftovers(tree: &Tree, findings: &mut Vec<String>) {
    for file in &tree.files {
        for (needle, instead) in LEFTOVERS {
            for line in file.lines_with(needle) {
                findings.push(format!("{}:{line}: `{needle}`: {instead}", file.path));
            }
        }
        for (index, line) in file.text.lines().enumerate() {
            if NOTES.iter().any(|note| positions(line, note).next().is_some()) {
                findings.push(format!("{}:{}: a note to finish something", file.path, index + 1));
            }
        }
    }
}

fn room_lists(tree: &Tree, findings: &mut Vec<String>) {
    let folders: BTreeSet<&str> = tree.files.iter().filter_map(SourceFile::room).collect();
    let table: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    if folders != table {
        findings.push(format!("tests/tidy.rs: ROOMS is {table:?}, the folders of src/ are {folders:?}"));
    }
    let section = tree.readme.split("\n## ").find(|section| section.starts_with("The rooms of `src/`"));
    let rows =
        section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let readme: BTreeSet<&str> = rows.collect();
    if readme != folders {
        findings.push(format!("README.md: its rooms are {readme:?}, the folders of src/ are {folders:?}"));
    }
}

/// Every rule finds what it is there for: a tree with one fault of each kind.
#[test]
fn every_rule_finds_its_fault() {
    let long_body = "    let a = 1;\n".repeat(FUNCTION_LINES_MAX);
    let source = |path: &str, text: &str| SourceFile::new(path.to_owned(), text.to_owned());
    let mut tree = Tree {
        files: vec![
            source("src/main.rs", "fn main() {}\n"),
            source("src/lib.rs", "mod base;\nmod codec;\n"),
            source("src/base/mod.rs", "use crate::{codec::Reader, event};\nuse super::store;\nmod far;\n"),
            source(
                "src/base/far.rs",
                "use super::super::app;\nuse std::thread;\nuse std::net::SocketAddr;\n",
            ),
            source("src/base/dead.rs", "// nobody declares this file\nconst A: u8 = 1;\n"),
            source("src/codec/mod.rs", &format!("fn long() {{\n{long_body}}}\nunsafe fn f() {{}}\n")),
            source("src/codec/huge.rs", &"// line\n".repeat(FILE_LINES_MAX + 1)),
            source("tests/t.rs", concat!("fn f() { to", "do!() } // FIX", "ME\n")),
        ],
        readme: String::new(),
    };
    tree.files[6].production = "const A: u8 = 1;".to_owned();
    tree.drop_test_files();
    let count = |rule: fn(&Tree, &mut Vec<String>)| {
        let mut findings = Vec::new();
        rule(&tree, &mut findings);
        findings.len()
    };
    assert_eq!(count(imports), 4, "codec, event, store and app");
    assert_eq!(count(only_in), 2, "std::thread and std::net");
    assert_eq!(count(unsafe_code), 1 + UNSAFE_FILES.len(), "and no file that may have it");
    assert_eq!(count(declared), 2, "dead.rs and huge.rs");
    assert_eq!(count(file_sizes), 1);
    assert_eq!(count(function_sizes), 1);
    assert_eq!(count(leftovers), 2, "one macro, one note");
    assert_eq!(count(room_lists), 2, "the table and the README");
}

/// Test items, comments and literals are no production code; what stands around them is.
#[test]
fn tests_comments_and_literals_are_set_aside() {
    let text = r##"
/// crate::a /* not a comment's end
use crate::b; // crate::c
const S: &str = "crate::d \" crate::e"; const R: &str = r#"crate::f " "#;
fn f<'a>(x: &'a [u8; 4]) -> char { crate::g(); '"' }
#[cfg(test)]
mod tests { use crate::h; #[test] fn t() { "}"; } }
/* crate::i /* nested */ crate::j */ fn last() { crate::k() }
"##;
    let file = SourceFile::new("src/x/y.rs".to_owned(), text.to_owned());
    let names: Vec<String> = file.rooms_named().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["b", "g", "k"]);
    let functions: Vec<String> = file.functions().into_iter().map(|function| function.name).collect();
    assert_eq!(functions, ["f", "last"]);
}

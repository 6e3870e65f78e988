//! `/docs`: our own documents, set as pages.

use super::markdown;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::{Db, Fault};
use askama::Template;
use std::sync::LazyLock;

/// A document: its name in the path, its title, what it is for, its text.
struct Document {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    text: &'static str,
}

const DOCUMENTS: &[Document] = &[
    Document {
        name: "readme",
        title: "Axon, from the beginning",
        about: "What it is, what you may rely on, how to run it.",
        text: include_str!("../../README.md"),
    },
    Document {
        name: "protocol",
        title: "The wire specification",
        about: "Everything a client in any language needs: frames, events, signatures.",
        text: include_str!("../protocol.md"),
    },
    Document {
        name: "tuning",
        title: "Tuning",
        about: "What each knob costs, and when to touch it.",
        text: include_str!("../../tuning.md"),
    },
];

static SET: LazyLock<Vec<markdown::Document>> =
    LazyLock::new(|| DOCUMENTS.iter().map(|document| markdown::document(document.text, &link)).collect());

#[derive(Template)]
#[template(path = "docs.html")]
struct Index<'a> {
    visit: &'a Visit,
    documents: &'static [Document],
}

#[derive(Template)]
#[template(path = "document.html")]
struct Page<'a> {
    visit: &'a Visit,
    document: &'static Document,
    set: &'static markdown::Document,
}

#[derive(Template)]
#[template(path = "design.html")]
struct Design<'a> {
    visit: &'a Visit,
    sample: Markup,
}

pub(super) fn list(_: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    visit.render(&Index { visit, documents: DOCUMENTS })
}

pub(super) fn readme(_: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    document(visit, "readme")
}

pub(super) fn protocol(_: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    document(visit, "protocol")
}

pub(super) fn tuning(_: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    document(visit, "tuning")
}

pub(super) fn design(_: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let sample =
        markdown::of_agents("Text with **weight**, `code`, a [link](https://axon.example).\n\n- one\n- two");
    visit.render(&Design { visit, sample })
}

fn document(visit: &Visit, name: &str) -> Result<String, Fault> {
    let found = DOCUMENTS.iter().zip(SET.iter()).find(|(document, _)| document.name == name);
    let (document, set) = found.ok_or_else(|| Fault::missing("there is no such document"))?;
    visit.render(&Page { visit, document, set })
}

/// Where a link of a document leads here; `None` for a file that is only in the source.
fn link(to: &str) -> Option<String> {
    let (path, hash) =
        to.split_once('#').map_or((to, String::new()), |(path, hash)| (path, format!("#{hash}")));
    match path.trim_start_matches("../") {
        "" => Some(hash),
        "README.md" => Some(format!("/docs/readme{hash}")),
        "tuning.md" => Some(format!("/docs/tuning{hash}")),
        "src/protocol.md" | "protocol.md" => Some(format!("/docs/protocol{hash}")),
        path if path.starts_with("https://") => Some(to.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_set_and_lead_to_each_other() {
        for (document, set) in DOCUMENTS.iter().zip(SET.iter()) {
            let html = set.body.to_string();
            assert!(set.headings.len() > 3, "{}", document.name);
            for (id, _) in &set.headings {
                assert!(html.contains(&format!("id=\"{id}\"")), "{}: {id}", document.name);
            }
            for to in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()) {
                assert!(
                    to.starts_with("/docs/") || to.starts_with('#') || to.starts_with("https://"),
                    "{to}"
                );
            }
        }
        assert_eq!(link("tuning.md#tls").as_deref(), Some("/docs/tuning#tls"));
        assert_eq!(link("src/gather/mod.rs"), None);
    }
}

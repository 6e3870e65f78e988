//! Markdown as markup: texts of agents, which are hostile, and our own documents.

use super::view::{Markup, escape};
use pulldown_cmark::{Alignment, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

/// How far headings of a text are below those of the page around it.
const HEADINGS_BELOW: usize = 2;
/// What agents write beside plain Markdown.
const AGENTS: Options = Options::ENABLE_STRIKETHROUGH.union(Options::ENABLE_TABLES);
/// Characters of an excerpt: more than two lines of a wide page.
const EXCERPT_CHARS: usize = 200;

/// A text of an agent: markup in it is text, pictures are links, and links lead only to the web.
pub(super) fn of_agents(text: &str) -> Markup {
    let mut safe = Safe::default();
    let events = Parser::new_ext(text, AGENTS).map(move |event| safe.pass(event));
    Markup::finished(written(events))
}

/// How a text of an agent begins, as one line of words: without the marks of Markdown, and of links and
/// pictures what they say. Markup in it stays visible, as in the text.
pub(super) fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for event in Parser::new_ext(text, AGENTS) {
        match event {
            Event::Text(part) | Event::Code(part) | Event::Html(part) | Event::InlineHtml(part) => {
                words.push_str(&part);
            }
            // Between the cells of a table, the lines of a paragraph, the items of a list.
            Event::SoftBreak | Event::HardBreak | Event::Rule => words.push(' '),
            Event::End(end) if !is_inline(end) => words.push(' '),
            _ => {}
        }
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}\u{2026}", words[..end].trim_end()),
        None => words,
    }
}

/// Whether what ends there stands among the words of a line.
fn is_inline(end: TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// One of our own texts.
pub(super) struct Document {
    pub body: Markup,
    /// Of the sections: id and text.
    pub headings: Vec<(String, String)>,
}

/// One of our own texts, without its title. `link` says where a link leads here, if anywhere.
pub(super) fn document(text: &str, link: &dyn Fn(&str) -> Option<String>) -> Document {
    let mut events = Vec::new();
    let (mut headings, mut heading, mut title, mut links) = (Vec::new(), None, false, Vec::new());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) => title = true,
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => title = false,
            _ if title => {}
            Event::Start(Tag::Heading { level, .. }) => heading = Some((level, events.len(), String::new())),
            Event::End(TagEnd::Heading(_)) => {
                let Some((level, at, text)) = heading.take() else { continue };
                let id = slug(&text);
                let tag = format!("<{level} id=\"{id}\">");
                events.insert(at, Event::InlineHtml(tag.into()));
                events.push(Event::InlineHtml(format!("</{level}>\n").into()));
                if level == HeadingLevel::H2 {
                    headings.push((id, text));
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let to = link(&dest_url);
                let tag = to.as_ref().map(|to| format!("<a href=\"{}\">", escape(to))).unwrap_or_default();
                events.push(Event::InlineHtml(tag.into()));
                links.push(to.is_some());
            }
            Event::End(TagEnd::Link) => {
                let written = links.pop().unwrap_or(false);
                events.push(Event::InlineHtml(if written { "</a>" } else { "" }.into()));
            }
            event => {
                if let (Some((_, _, text)), Event::Text(part) | Event::Code(part)) = (&mut heading, &event) {
                    text.push_str(part);
                }
                events.push(event);
            }
        }
    }
    Document { body: Markup::finished(written(events.into_iter())), headings }
}

/// The anchor of a heading, as other renderers of Markdown make it.
fn slug(text: &str) -> String {
    let kept = text.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// What may be wider than the page scrolls by itself, with the keyboard, too.
fn written<'a>(events: impl Iterator<Item = Event<'a>>) -> String {
    let wrapped = events.flat_map(|event| match event {
        Event::Start(Tag::CodeBlock(_)) => [Some(raw("<pre tabindex=\"0\"><code>")), None],
        Event::End(TagEnd::CodeBlock) => [Some(raw("</code></pre>\n")), None],
        // An alignment would be a style in the page, which the policy forbids.
        Event::Start(Tag::Table(columns)) => {
            let plain = vec![Alignment::None; columns.len()];
            [Some(raw("<div class=\"scroll\" tabindex=\"0\">")), Some(Event::Start(Tag::Table(plain)))]
        }
        Event::End(TagEnd::Table) => [Some(Event::End(TagEnd::Table)), Some(raw("</div>\n"))],
        event => [Some(event), None],
    });
    let mut html = String::new();
    html::push_html(&mut html, wrapped.flatten());
    html
}

fn raw(html: &'static str) -> Event<'static> {
    Event::InlineHtml(html.into())
}

/// Turns what is dangerous into text.
#[derive(Default)]
struct Safe {
    /// Of the links that are open, whether each is written.
    links: Vec<bool>,
}

impl Safe {
    fn pass<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Heading { level, .. }) => {
                Event::Start(Tag::Heading { level: lowered(level), id: None, classes: vec![], attrs: vec![] })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lowered(level))),
            Event::Start(Tag::Link { dest_url, link_type, .. } | Tag::Image { dest_url, link_type, .. }) => {
                self.open(&dest_url, link_type)
            }
            Event::End(TagEnd::Link | TagEnd::Image) => match self.links.pop() {
                Some(true) => Event::InlineHtml("</a>".into()),
                _ => Event::Text("".into()),
            },
            event => event,
        }
    }

    fn open<'a>(&mut self, to: &str, kind: LinkType) -> Event<'a> {
        let mail = kind == LinkType::Email;
        let web = ["https://", "http://"]
            .iter()
            .any(|scheme| to.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)));
        self.links.push(web && !mail);
        match web && !mail {
            true => {
                let tag = format!(r#"<a href="{}" rel="nofollow noopener noreferrer ugc">"#, escape(to));
                Event::InlineHtml(CowStr::from(tag))
            }
            false => Event::Text("".into()),
        }
    }
}

fn lowered(level: HeadingLevel) -> HeadingLevel {
    HeadingLevel::try_from(level as usize + HEADINGS_BELOW).unwrap_or(HeadingLevel::H6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        of_agents(text).to_string()
    }

    #[test]
    fn ordinary_text_is_set() {
        assert_eq!(html("a *b* `c`\n\n- d"), "<p>a <em>b</em> <code>c</code></p>\n<ul>\n<li>d</li>\n</ul>\n");
        assert_eq!(html("# top"), "<h3>top</h3>\n");
        assert!(
            html("[x](https://a.example/?q=1&r=\")")
                .contains("rel=\"nofollow noopener noreferrer ugc\">x</a>")
        );
        assert!(html("<https://a.example>").contains("<a href=\"https://a.example\""));
    }

    #[test]
    fn an_excerpt_has_the_words_and_none_of_the_marks() {
        for (text, words) in [
            ("", ""),
            ("plain & simple", "plain & simple"),
            ("a **b** *c* `d` ~~e~~", "a b c d e"),
            ("# Top\n\nfirst\nsecond\n\n- one\n- two\n\n> said", "Top first second one two said"),
            ("see [the *list*](https://a.example) and ![a cat](https://b.example)", "see the list and a cat"),
            ("```rust\nfn main() {}\n```\nthen", "fn main() {} then"),
            ("| a | b |\n|--|--|\n| c | d |", "a b c d"),
            ("one\\\ntwo\n\n---\n\nthree", "one two three"),
            ("<b>x</b> <script>y</script>", "<b>x</b> <script>y</script>"),
        ] {
            assert_eq!(excerpt(text), words, "{text}");
        }
        assert_eq!(excerpt(&"**schön** ".repeat(100)), "schön ".repeat(33) + "sc\u{2026}");
        assert_eq!(excerpt(&"x".repeat(EXCERPT_CHARS)), "x".repeat(EXCERPT_CHARS));
    }

    #[test]
    fn nothing_in_a_text_becomes_markup() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick=alert(1)>\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](data:text/html,<script>1</script>)",
            "[x](JaVaScRiPt:alert(1))",
            "![x](https://a.example/\"onerror=alert(1))",
            "[x](https://a.example/\"onmouseover=alert(1))",
            "<javascript:alert(1)>",
            "```\"><script>\nalert(1)\n```",
            "# x {onclick=alert(1)}",
            "| <script> |\n|--|\n| <b>x |",
            "<svg/onload=alert(1)>",
            "&lt;script&gt;",
        ] {
            let html = html(text);
            let mut rest = html.as_str();
            while let Some((_, tag)) = rest.split_once('<') {
                let (tag, after) = tag.split_once('>').unwrap_or_else(|| panic!("{text}: {html}"));
                let name = tag.trim_start_matches('/').split(' ').next().unwrap();
                let known = [
                    "p", "a", "em", "code", "pre", "ul", "li", "h3", "div", "table", "thead", "tbody", "tr",
                    "th", "td",
                ];
                assert!(known.contains(&name), "{text}: {html}");
                let ours = ["pre tabindex=\"0\"", "div class=\"scroll\" tabindex=\"0\""];
                assert!(name == "a" || ours.contains(&tag) || !tag.contains(' '), "{text}: {html}");
                if tag.starts_with("a ") {
                    assert_eq!(tag.matches('"').count(), 4, "{text}: {html}");
                    assert!(tag.starts_with("a href=\"http"), "{text}: {html}");
                }
                rest = after;
            }
        }
    }
}
